import { canonicalIp, networkOf } from '../shared/ip.ts';

/** Bits of a network that nobody described: IPv4, IPv6. */
const LIKELY = [24, 64] as const;

/**
 * Which rack an address is of, as far as the network tells: racks behind relays have a subnet each, and machines in one subnet
 * are a rack. So no table of machines is needed to be fair to one that nobody knows yet.
 *
 * @param own our own interface: its network is as long as it says, all others are taken for a /24 or a /64
 * @returns the network as CIDR; text that is no address is a rack of its own
 */
export function rackOf(address: string, own: { address: string; prefixLength: number }): string {
  const ip = canonicalIp(address.replace(/^::ffff:(?=\d+\.)/i, ''));
  if (ip === undefined) return address;
  const local = networkOf(own.address, own.prefixLength);
  if (!ip.includes(':') && networkOf(ip, own.prefixLength) === local) return local;
  return networkOf(ip, LIKELY[ip.includes(':') ? 1 : 0]);
}
