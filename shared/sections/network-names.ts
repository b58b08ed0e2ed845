import { z } from 'zod';
import { canonicalIp, networkOf } from '../ip.ts';

export const ip = z.string().refine((value) => canonicalIp(value) === value, {
  error: ({ input }) => {
    const proper = typeof input === 'string' ? canonicalIp(input) : undefined;
    return proper === undefined ? 'not an IP address (without prefix length)' : `write this address as ${proper}`;
  },
});
export const ipv4 = ip.refine((value) => !value.includes(':'), 'not an IPv4 address; IPv6 has gateway6');
export const ipv6 = ip.refine((value) => value.includes(':'), 'not an IPv6 address; IPv4 has gateway');

/** A network in CIDR notation, without host bits: 10.1.0.0/24. */
export const prefix = z.string().refine((value) => prefixProblem(value) === undefined, {
  error: ({ input }) => prefixProblem(String(input)),
});

function prefixProblem(value: string): string | undefined {
  const [address = '', length = '', ...more] = value.split('/');
  const proper = canonicalIp(address);
  if (proper === undefined || !/^(0|[1-9]\d{0,2})$/.test(length) || more.length > 0)
    return 'not a network: write 10.1.0.0/24';
  const most = proper.includes(':') ? 128 : 32;
  if (Number(length) > most) return `a prefix length is at most ${most}`;
  const network = networkOf(proper, Number(length));
  return network === value ? undefined : `write this network as ${network}`;
}

// IFNAMSIZ is 16 with the closing zero. The kernel takes more characters; files and commands of the tools do not.
export const kernelName = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/,
    'an interface has a name of 1 to 15 letters, digits, ".", "_" and "-", a letter or digit first',
  );

export const logicalName = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/,
    'name an interface with letters, digits, ".", "_" and "-", at most 63, a letter or digit first',
  );

export const domain = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/,
    'not a domain name in lower case',
  );

export const mtu = z.int().min(68, 'IPv4 needs an MTU of 68 or more').max(65535).describe('Largest packet in bytes');
