const anywhere = /^(secret|token|password|passwd)s?$/;
const atTheEnd =
  /^(pass|passphrase|pwd|\w*pw|\w*token|credentials?|cookie|nonce|psk|auth|(api|access|auth|private|join)?key)$/;

function isSecret(name: string): boolean {
  const words = name.toLowerCase().split(/[._-]+/);
  return words.some((word) => anywhere.test(word)) || atTheEnd.test(words.at(-1) ?? '');
}

/** A text in which users and passwords inside URLs are replaced by `***`. Masking twice changes nothing. */
export function maskCredentials(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/"]+@/gi, '$1***@');
}

/**
 * A command line in which these are replaced by `***`: the values of parameters whose names say secret (`token=`,
 * `x.password=`, `;api-key=`, `--token X`), users and passwords in URLs, signed tokens, and long mixed texts that are
 * likely a key. Masking twice changes nothing.
 */
export function maskSecrets(line: string): string {
  return maskCredentials(line)
    .replace(/([\w.-]+)=("[^"]*"?|[^\s;&"]+)/g, (whole, name: string) => (isSecret(name) ? `${name}=***` : whole))
    .replace(/(--[\w-]+)(\s+)(?!-)(\S+)/g, (whole, name: string, gap: string) =>
      isSecret(name) ? `${name}${gap}***` : whole,
    )
    .replace(/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '***')
    .replace(/(?<=^|[\s=;,"])(?=\S*\d)(?=\S*[A-Z])(?=\S*[a-z])[A-Za-z0-9+_-]{40,}={0,2}(?=$|[\s;,"])/g, '***');
}
