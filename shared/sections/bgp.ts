import { z } from 'zod';
import { canonicalIp, networkOf } from '../ip.ts';
import { count, set, text } from './fields.ts';
import { name } from './name.ts';
import { recordOf } from './record.ts';

// RFC 6793 (AS_TRANS) and RFC 7300; 0 and 4294967295 are out of range (RFC 7607, RFC 7300).
const reserved = new Set([23456, 65535]);
const asn = z
  .int()
  .min(1, 'an AS number is 1 to 4294967294')
  .max(4294967294, 'an AS number is 1 to 4294967294')
  .refine(
    (value) => !reserved.has(value),
    'this AS number is reserved; private ones are 64512 to 65534 and 4200000000 to 4294967294',
  );

const ip = z.string().refine((value) => canonicalIp(value) === value, {
  error: ({ input }) => {
    const proper = typeof input === 'string' ? canonicalIp(input) : undefined;
    return proper === undefined ? 'not an IP address (without prefix length)' : `write this address as ${proper}`;
  },
});
const routerId = ip
  .refine((value) => !value.includes(':'), 'a router id is written as an IPv4 address')
  .refine((value) => value !== '0.0.0.0', 'a router id is not 0.0.0.0 (RFC 6286)');

/** A prefix in its one form: its host bits are zero. */
const prefix = z.string().superRefine((value, issues) => {
  const [, address = '', length = ''] = /^([^/]*)\/(0|[1-9]\d{0,2})$/.exec(value) ?? [];
  const proper = canonicalIp(address);
  if (proper === undefined || Number(length) > (proper.includes(':') ? 128 : 32))
    issues.addIssue('not a prefix: write 10.1.0.0/16 or fd00:1::/32');
  else if (networkOf(proper, Number(length)) !== value)
    issues.addIssue(`write this prefix as ${networkOf(proper, Number(length))}`);
});

const interfaceName = z
  .string()
  .regex(
    /^[a-zA-Z][a-zA-Z0-9._-]{0,62}$/,
    'name an interface with letters, digits, ".", "_" and "-", at most 63, a letter first',
  );
/** Names that a kernel has for interfaces and that frr.conf can hold: it has no quotes, and reads digits as an address. */
export const frrInterface = /^[a-zA-Z][a-zA-Z0-9._-]{0,14}$/;
const kernelName = z.string().regex(frrInterface);
const vrf = z
  .string()
  .regex(
    /^[a-zA-Z][a-zA-Z0-9._-]{0,14}$/,
    'name a VRF with letters, digits, ".", "_" and "-", at most 15, a letter first',
  )
  .refine((value) => value !== 'default' && value !== 'all', 'the default VRF is meant when vrf is absent');
const description = z
  .string()
  .max(80)
  .regex(
    /^[a-zA-Z0-9._:/-]+( [a-zA-Z0-9._:/-]+)*$/,
    'describe with letters, digits, "-", "_", ".", ":", "/" and single blanks between words',
  );

const remoteAs = z.union([asn, z.enum(['external', 'internal'])], {
  error: 'remote_as is an AS number, "external" or "internal"',
});
const families = z.strictObject({
  ipv4_unicast: z.literal(true).optional(),
  ipv6_unicast: z.literal(true).optional(),
});
const settings = {
  bfd: z.boolean().optional().describe('Whether BFD watches it (RFC 5880)'),
  description: description.optional(),
  multihop: z.int().min(2).max(255).optional().describe('How many hops away an external neighbour may be'),
};

/** An interface has addresses of both. */
const sameFamily = (address = '', source = '') =>
  canonicalIp(address) === undefined ||
  canonicalIp(source) === undefined ||
  address.includes(':') === source.includes(':');

const intendedNeighbor = z
  .strictObject({
    address: ip.optional().describe('A numbered neighbour'),
    interface: interfaceName
      .optional()
      .describe('An unnumbered one: the interface, as network names it, that it is on'),
    remote_as: remoteAs.optional(),
    ...settings,
    address_families: families
      .optional()
      .describe('Without it: both of an unnumbered neighbour, else the one of its address'),
    source: z
      .union([ip, interfaceName], { error: 'source is an IP address, or an interface as network names it' })
      .optional()
      .describe('Address, or interface whose address, the session is from'),
  })
  .refine((value) => value.address === undefined || value.interface === undefined, {
    path: ['interface'],
    message: 'a neighbour has an address or an interface, not both',
  })
  .refine(({ address, source }) => sameFamily(address, source), {
    path: ['source'],
    message: 'source and address are of one family, IPv4 or IPv6',
  })
  .refine((value) => value.interface === undefined || (value.source ?? value.multihop) === undefined, {
    path: ['interface'],
    message: 'an unnumbered neighbour is on its link: it has neither source nor multihop',
  });

const length = z.int().min(0).max(128).optional();
const lengths = z
  .strictObject({ ge: length.describe('Shortest prefix length'), le: length.describe('Longest prefix length') })
  .describe('Without ge and le: exactly this prefix');
const connected = recordOf(prefix, lengths).superRefine((value, issues) => {
  for (const [key, { ge, le }] of Object.entries(value)) {
    const most = key.includes(':') ? 128 : 32;
    const own = Number(key.split('/')[1]);
    // FRR reads "ge" and "le" that contradict the prefix as an error, after the daemon was asked to reload.
    const rising = own <= (ge ?? own) && (ge ?? own) <= (le ?? most) && (le ?? most) <= most;
    if (!rising || (le ?? most) < own)
      issues.addIssue({
        code: 'custom',
        path: [key],
        message: `ge and le are prefix lengths: ${own} <= ge <= le <= ${most}`,
      });
  }
});
const networks = recordOf(prefix, z.literal(true)).describe(
  'Prefix → true: announced while there is a route to exactly it',
);
const announce = z.strictObject({
  networks: networks.optional(),
  connected: connected.optional().describe('Prefix → lengths: connected routes within them are announced'),
});
const bfdTimers = z.strictObject({
  detect_multiplier: z.int().min(2).max(255).optional().describe('How many packets may be lost'),
  receive_ms: z.int().min(10).max(60_000).optional().describe('Time between packets that are received'),
  transmit_ms: z.int().min(10).max(60_000).optional().describe('Time between packets that are sent'),
});
const multipath = z.int().min(1).max(64).describe('How many equal ways are used');

const intended = z.strictObject({
  asn: asn.optional().describe("The node's AS number"),
  router_id: routerId.optional().describe("Without it: the loopback's IPv4 address, or the node's first"),
  neighbors: recordOf(name, intendedNeighbor).optional().describe('Label → neighbour'),
  announce: announce.optional(),
  bfd: bfdTimers.optional().describe("BFD's timers for all neighbours that it watches"),
  vrf: vrf.optional().describe('Name of the VRF that it is in'),
  multipath: multipath.optional(),
});

/** What resolve makes of the intent: kernel names, neighbours by address or interface, families told. */
const wanted = z.strictObject({
  asn,
  router_id: routerId,
  vrf: vrf.optional(),
  neighbors: z
    .record(
      z.union([ip, kernelName]),
      z.strictObject({
        interface: z.literal(true).optional().describe('It is unnumbered: its key is an interface'),
        remote_as: remoteAs,
        ...settings,
        bfd: z.boolean(),
        address_families: families,
        source: z.union([ip, kernelName]).optional(),
      }),
    )
    .optional(),
  announce: z
    .strictObject({
      networks: networks.optional(),
      connected: z.record(prefix, z.strictObject({ ge: z.int(), le: z.int() })).optional(),
    })
    .optional(),
  bfd: bfdTimers.optional(),
  multipath: multipath.optional(),
  daemons: set.describe('Daemons of FRR that run'),
});

const observed = z.looseObject({
  asn: count.optional(),
  router_id: text.optional(),
  vrf: text.optional(),
  neighbors: z
    .record(
      text,
      z.looseObject({
        interface: z.boolean().optional(),
        remote_as: z.union([count, text]).optional(),
        bfd: z.boolean().optional(),
        description: text.optional(),
        multihop: count.optional(),
        source: text.optional(),
        address_families: set.optional(),
      }),
    )
    .optional()
    .describe('Address or interface → neighbour, with what it has of its peer group'),
  announce: z
    .looseObject({
      networks: set.optional(),
      connected: z.record(text, z.looseObject({ ge: count.optional(), le: count.optional() })).optional(),
    })
    .optional(),
  bfd: z
    .looseObject({ detect_multiplier: count.optional(), receive_ms: count.optional(), transmit_ms: count.optional() })
    .optional(),
  multipath: count.optional(),
  daemons: set.optional(),
  other_instances: set.optional().describe('VRFs, or "default", whose further BGP instances are not told here'),
});

/** BGP as FRR is configured for it: one instance, in the default VRF or in one of that name. */
export const bgp = { observed, intended, wanted };
export type Bgp = z.infer<typeof observed>;
export type BgpIntended = z.infer<typeof intended>;
export type BgpWanted = z.infer<typeof wanted>;
