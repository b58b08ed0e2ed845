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
  const hex = () => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const text = bytes.length === 4 ? bytes.join('.') : canonicalIp(hex().replace(/.{4}(?=.)/g, '$&:'));
  return `${text}/${prefix}`;
}
