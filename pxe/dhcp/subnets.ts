import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { contains, type Network, networkOf, toNumber } from './ipv4.ts';

const subnet = z.strictObject({
  cidr: z.cidrv4('expected a network such as 10.88.0.0/24'),
  /** Addresses that its relay agents speak from (giaddr), the router's in it as a rule. */
  relays: z.array(z.ipv4('expected an IPv4 address')).min(1, 'expected the address of a relay agent'),
  /** Without one, only addresses that are kept are given. */
  pool: z
    .string()
    .regex(/^\S+-\S+$/, 'expected FIRST-LAST, two IPv4 addresses')
    .transform((text) => ({ first: text.split('-')[0]!, last: text.split('-')[1]! }))
    .pipe(z.object({ first: z.ipv4(), last: z.ipv4() }))
    .optional(),
  router: z.ipv4('expected an IPv4 address').optional(),
  dns: z.array(z.ipv4('expected an IPv4 address')).optional(),
  lease_s: z.int().min(10).optional(),
  /** Addresses that are kept for whatever machine is at a port, as its relay agent names it (option 82). */
  ports: z
    .array(
      z
        .strictObject({
          circuit_id: z.string().min(1).optional(),
          remote_id: z.string().min(1).optional(),
          address: z.ipv4('expected an IPv4 address'),
        })
        .refine((port) => port.circuit_id !== undefined || port.remote_id !== undefined, {
          error: 'expected circuit_id, remote_id or both',
        }),
    )
    .default([]),
});

/** A network behind relay agents, as the settings describe it. */
export type RelayedSubnet = z.output<typeof subnet>;

const file = z.array(subnet.superRefine(checkOne)).superRefine(checkAll);

/** The networks that a file describes (JSON, a list). Throws with all that is wrong in it. */
export function readSubnets(path: string): RelayedSubnet[] {
  let text: unknown;
  try {
    text = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read (${(error as Error).message}): expected a JSON list of networks`);
  }
  const parsed = file.safeParse(text);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path: at, message }) => `${at.join('.') || 'whole'}: ${message}`);
  throw new Error(`${path}: ${wrong.join('; ')}`);
}

/** The network of a CIDR, by its first address. */
export function networkOfCidr(cidr: string): Network {
  const [address, prefixLength] = cidr.split('/');
  return { address: address!, prefixLength: Number(prefixLength) };
}

/** Whether two networks have an address in common. */
export function overlap(a: Network, b: Network): boolean {
  const prefixLength = Math.min(a.prefixLength, b.prefixLength);
  return contains({ ...a, prefixLength }, b.address);
}

function checkOne(subnet: RelayedSubnet, context: z.RefinementCtx): void {
  const network = networkOfCidr(subnet.cidr);
  const wrong = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (networkOf(network.address, network.prefixLength) !== toNumber(network.address))
    wrong(['cidr'], `${subnet.cidr} is an address in a network: write the network's first address`);
  const { pool, router } = subnet;
  const inPool = (address: string) =>
    pool !== undefined && toNumber(address) >= toNumber(pool.first) && toNumber(address) <= toNumber(pool.last);
  if (pool !== undefined) {
    if (!contains(network, pool.first) || !contains(network, pool.last) || toNumber(pool.first) > toNumber(pool.last))
      wrong(['pool'], `${pool.first}-${pool.last} must lie in ${subnet.cidr}, in order`);
    for (const taken of [...subnet.relays, ...(router === undefined ? [] : [router])])
      if (inPool(taken)) wrong(['pool'], `it holds ${taken}, which is a relay agent's or the router's`);
  }
  if (router !== undefined && !contains(network, router)) wrong(['router'], `${router} is not in ${subnet.cidr}`);
  subnet.ports.forEach(({ address }, i) => {
    if (!contains(network, address)) wrong(['ports', i, 'address'], `${address} is not in ${subnet.cidr}`);
    if (inPool(address)) wrong(['ports', i, 'address'], `${address} is of the pool: keep one outside of it`);
    if (subnet.ports.findIndex((other) => other.address === address) !== i)
      wrong(['ports', i, 'address'], `${address} is kept for another port, too`);
  });
}

function checkAll(subnets: RelayedSubnet[], context: z.RefinementCtx): void {
  subnets.forEach(({ cidr }, i) => {
    const earlier = subnets.slice(0, i).find((other) => overlap(networkOfCidr(other.cidr), networkOfCidr(cidr)));
    if (earlier !== undefined)
      context.addIssue({ code: 'custom', path: [i, 'cidr'], message: `${cidr} overlaps ${earlier.cidr}` });
  });
}
