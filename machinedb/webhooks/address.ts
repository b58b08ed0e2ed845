import { lookup } from 'node:dns/promises';
import { canonicalIp, ipBytes, isInside } from '../../shared/ip.ts';

/** Answers the addresses of a host name. */
export type Resolve = (host: string) => Promise<string[]>;

/** The system's own resolution, as connecting would do it. */
export const systemResolve: Resolve = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/** What is no public address of one host: IANA's special-purpose registry for IPv4 (RFC 6890), multicast, and the rest. */
const closed4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
/** Within the only global unicast range, 2000::/3: protocol assignments with Teredo, documentation, 6to4. */
const closed6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/**
 * Whether something outside may be sent to an address: public ones, and those in a network that the operator named. IPv4 in
 * IPv6 (mapped, RFC 4291 section 2.5.5.2) is judged as IPv4.
 *
 * @param allowed networks, CIDR
 */
export function isAllowed(text: string, allowed: readonly string[]): boolean {
  const address = unmapped(canonicalIp(text));
  if (address === undefined) return false;
  if (allowed.some((cidr) => isInside(address, cidr))) return true;
  if (!address.includes(':')) return !closed4.some((cidr) => isInside(address, cidr));
  return isInside(address, '2000::/3') && !closed6.some((cidr) => isInside(address, cidr));
}

function unmapped(address: string | undefined): string | undefined {
  if (address === undefined || !address.includes(':')) return address;
  const bytes = ipBytes(address);
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return mapped ? bytes.slice(12).join('.') : address;
}

/** The address of a URL's host when the host is one; undefined for names. */
export function literalOf(url: URL): string | undefined {
  return canonicalIp(url.hostname.replace(/^\[|\]$/g, ''));
}

/**
 * The address to connect to for a URL: looked up once, judged, and connected to as it is, so that a second lookup cannot
 * answer otherwise. Throws when none of its addresses may be sent to.
 */
export async function checkedAddress(url: URL, allowed: readonly string[], resolve: Resolve): Promise<string> {
  const literal = literalOf(url);
  const found = literal === undefined ? await resolve(url.hostname) : [literal];
  const good = found.find((address) => isAllowed(address, allowed));
  if (good !== undefined) return good;
  throw new Error(
    `${url.hostname} is ${found.join(', ') || 'no address'}, where nothing is sent: only public addresses, and networks that MACHINEDB_WEBHOOK_ALLOW names`,
  );
}
