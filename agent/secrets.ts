const secretName =
  /(pass(wd|word|phrase)?|secret|token|credential|cookie|nonce|(api|access|auth|private|join|psk|wep|wpa)[-_.]?key|auth|psk|luks|key)$/i;
const safeName =
  /^(rd\.luks(\.(name|uuid|crypttab|allow-discards|options))?|keymap|vconsole\.keymap|rd\.vconsole\.keymap|rd\.auto|authkey_len)$/i;

/**
 * A command line in which the values of parameters that look like secrets (`token=`, `*.password=`, `ds=...;key=...`),
 * passwords inside URLs, and values that look like a key or token by themselves are replaced by `***`.
 */
export function maskSecrets(line: string): string {
  return line
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"]+@/gi, '$1***@')
    .replace(/([A-Za-z0-9_.-]+)=("[^"]*"?|[^\s;,&"]+)/g, (whole, name: string) =>
      secretName.test(name) && !safeName.test(name) ? `${name}=***` : whole,
    )
    .replace(/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '***')
    .replace(
      /(^|[\s=;,"])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[A-Za-z0-9+/_-]{40,}={0,2}(?=$|[\s;,"])/g,
      '$1***',
    );
}
