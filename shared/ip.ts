const v4 = /^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(\.(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])){3}$/;

/**
 * An IP address in its one form: IPv4 in dotted decimal without leading zeros, IPv6 as RFC 5952 (lower case, longest
 * run of zeros as '::'). Everything else, zones and prefix lengths included, is undefined.
 */
export function canonicalIp(text: string): string | undefined {
  if (v4.test(text)) return text;
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(text) || !text.includes(':')) return undefined;
  // The URL parser is the platform's own IPv6 parser and printer (WHATWG URL, 3.5).
  return URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1);
}

/** The bytes of a canonical address: 4 or 16. */
export function ipBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : []);
  const [first, last] = [groups(head), groups(tail)];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 255]);
}

/** The network that a canonical address with this prefix length lies in, as CIDR: 10.1.0.5 and 24 are 10.1.0.0/24. */
export function networkOf(address: string, prefix: number): string {
  const bytes = ipBytes(address).map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))));
  return `${ipText(bytes)}/${prefix}`;
}

/** Whether a canonical address lies in a network in CIDR notation. */
export function isInside(address: string, cidr: string): boolean {
  const [, length] = cidr.split('/');
  return address.includes(':') === cidr.includes(':') && networkOf(address, Number(length)) === cidr;
}

/** The address that lies `count` after a canonical one; undefined past the last of its family. */
export function ipAfter(address: string, count: number): string | undefined {
  const bytes = ipBytes(address);
  const value = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) + BigInt(count);
  const hex = value.toString(16).padStart(bytes.length * 2, '0');
  return hex.length > bytes.length * 2
    ? undefined
    : ipText(bytes.map((_, i) => Number(`0x${hex.slice(i * 2, i * 2 + 2)}`)));
}

function ipText(bytes: number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return canonicalIp(hex.replace(/.{4}(?=.)/g, '$&:'))!;
}
