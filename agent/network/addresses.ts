import { networkOf } from '../../shared/ip.ts';
import { ipv6, type Route } from './routes.ts';

/** An address of an interface, with its prefix length. */
export interface Address {
  interface: string;
  cidr: string;
  family: 'ipv4' | 'ipv6';
  dynamic?: true;
}

/**
 * The machine's own IPv4 addresses out of /proc/net/fib_trie, whatever interface they are on: leaves '/32 host LOCAL',
 * without 127.0.0.0/8.
 */
export function parseLocal(trie: string): string[] {
  const found = new Set<string>();
  let leaf: string | undefined;
  for (const line of trie.split('\n')) {
    leaf = /^\s*\|-- ([\d.]+)$/.exec(line)?.[1] ?? leaf;
    if (leaf !== undefined && /^\s*\/32 host LOCAL\b/.test(line) && !leaf.startsWith('127.')) found.add(leaf);
  }
  return [...found];
}

/** The addresses of the lines of ADDRESSES (see system.ts), without 127.0.0.0/8. */
export function parseAddresses(lines: string): Address[] {
  return lines.split('\n').flatMap((line): Address[] => {
    const [, name, cidr] = /^(\S+) ((?!127\.)[\d.]+\/\d+)$/.exec(line) ?? [];
    return name === undefined || cidr === undefined ? [] : [{ interface: name, cidr, family: 'ipv4' }];
  });
}

/**
 * Puts IPv4 addresses on interfaces. No file of the kernel says which has which, so the connected routes tell: an address belongs to
 * the interface of the longest one that holds it. An address that none or two hold (a /32 on lo, two ports on one
 * subnet) is left out rather than guessed, but for the /32 of a cloud's port whose gateway has a host route.
 */
export function placeAddresses(local: string[], routes: Route[]): Address[] {
  const connected = new Map<string, Set<string>>();
  for (const { destination, gateway, interface: name } of routes) {
    if (gateway !== undefined) continue;
    connected.set(destination, (connected.get(destination) ?? new Set()).add(name));
  }
  const holders = (address: string) => {
    for (let prefix = 31; prefix > 0; prefix--) {
      const names = connected.get(networkOf(address, prefix));
      if (names !== undefined) return { prefix, names: [...names] };
    }
    return { prefix: 32, names: [] };
  };
  const placed: Address[] = [];
  const homeless: string[] = [];
  for (const address of local) {
    const { prefix, names } = holders(address);
    if (names.length === 0) homeless.push(address);
    const [name, ...others] = names;
    if (name !== undefined && others.length === 0)
      placed.push({ interface: name, cidr: `${address}/${prefix}`, family: 'ipv4' });
  }
  const pointed = routes.filter(
    ({ destination, gateway, interface: name }) =>
      destination === '0.0.0.0/0' && gateway !== undefined && connected.get(`${gateway}/32`)?.has(name),
  );
  const [address, ...more] = homeless;
  const [port, ...ports] = new Set(pointed.map((route) => route.interface));
  if (address !== undefined && more.length === 0 && port !== undefined && ports.length === 0)
    placed.push({ interface: port, cidr: `${address}/32`, family: 'ipv4' });
  return placed;
}

// linux/if_addr.h: temporary, failed or still under duplicate detection, permanent.
const passing = 0x01 | 0x08 | 0x40;
const permanent = 0x80;

/** Global IPv6 addresses out of /proc/net/if_inet6, without privacy addresses. */
export function parseAddresses6(table: string): Address[] {
  return table.split('\n').flatMap((line): Address[] => {
    const [digits = '', , length, scope, flags, name] = line.trim().split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(digits) || !length || scope !== '00' || !flags || !name) return [];
    const bits = Number.parseInt(flags, 16);
    if (bits & passing) return [];
    const cidr = `${ipv6(digits)}/${Number.parseInt(length, 16)}`;
    return [{ interface: name, cidr, family: 'ipv6', ...(bits & permanent ? {} : { dynamic: true as const }) }];
  });
}
