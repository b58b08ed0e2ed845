import { canonicalIp } from '../../shared/ip.ts';

/** One row of the kernel's routing table. */
export interface Route {
  interface: string;
  /** Destination as CIDR. */
  destination: string;
  gateway: string | undefined;
  metric: number;
}

// Flags of linux/route.h and linux/ipv6_route.h. Left out: what is rejected, learned by ICMP redirect, or serves one's
// own and cached addresses.
const up = 0x1;
const viaGateway = 0x2;
const left = 0x200 | 0x10;
const left6 = left | 0x0010_0000 | 0x0100_0000 | 0x8000_0000;

/** IPv4's main table out of /proc/net/route; numbers are in the byte order of the machine, little-endian. */
export function parseRoutes(table: string): Route[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination = '', gateway = '', flags, , , metric, mask = ''] = line.trim().split(/\s+/);
      // '*' is no interface: a blackhole.
      if (!name || name === '*' || !flags || !isHex(8, destination, gateway, mask)) return [];
      const bits = Number.parseInt(flags, 16);
      if (!(bits & up) || bits & left) return [];
      return [
        {
          interface: name,
          destination: `${ipv4(little(destination))}/${prefixOf(little(mask))}`,
          gateway: bits & viaGateway ? ipv4(little(gateway)) : undefined,
          metric: Number(metric) || 0,
        },
      ];
    });
}

/** IPv6's tables out of /proc/net/ipv6_route, without multicast and link-local destinations. */
export function parseRoutes6(table: string): Route[] {
  return table.split('\n').flatMap((line) => {
    const [destination = '', length, , , gateway = '', metric, , , flags, name] = line.trim().split(/\s+/);
    if (!length || !metric || !flags || !name || name === 'lo' || !isHex(32, destination, gateway)) return [];
    const bits = Number.parseInt(flags, 16);
    if (!(bits & up) || bits & left6 || /^(ff|fe[89ab])/.test(destination)) return [];
    return [
      {
        interface: name,
        destination: `${ipv6(destination)}/${Number.parseInt(length, 16)}`,
        gateway: bits & viaGateway ? ipv6(gateway) : undefined,
        metric: Number.parseInt(metric, 16),
      },
    ];
  });
}

/** 32 hexadecimal digits as RFC 5952. */
export function ipv6(digits: string): string {
  return canonicalIp(digits.replace(/.{4}(?=.)/g, '$&:')) ?? digits;
}

/** A number as dotted decimal. */
export function ipv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

function isHex(digits: number, ...texts: string[]): boolean {
  return texts.every((text) => text.length === digits && /^[0-9a-f]+$/i.test(text));
}

function little(digits: string): number {
  return Buffer.from(digits, 'hex').readUInt32LE();
}

function prefixOf(mask: number): number {
  return Math.clz32(~mask);
}
