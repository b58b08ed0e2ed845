import { z } from 'zod';
import { canonicalIp } from '../ip.ts';
import { count, set, text } from './fields.ts';
import { name } from './name.ts';
import { recordOf } from './record.ts';

const ip = z.string().refine((value) => canonicalIp(value) === value, {
  error: ({ input }) => {
    const proper = typeof input === 'string' ? canonicalIp(input) : undefined;
    return proper === undefined ? 'not an IP address (without prefix length)' : `write this address as ${proper}`;
  },
});
const ipv4 = ip.refine((value) => !value.includes(':'), 'not an IPv4 address; IPv6 has gateway6');
const ipv6 = ip.refine((value) => value.includes(':'), 'not an IPv6 address; IPv4 has gateway');

// IFNAMSIZ is 16 with the closing zero; the kernel refuses '/', ':' and white space.
const kernelName = z
  .string()
  .regex(
    /^(?!\.{1,2}$)[^\s/:\p{Cc}]{1,15}$/u,
    'an interface has a name of 1 to 15 characters without "/", ":" and blanks',
  );
const logicalName = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/,
    'name an interface with letters, digits, ".", "_" and "-", at most 63, a letter or digit first',
  );
const domain = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/,
    'not a domain name in lower case',
  );

const match = z
  .strictObject({
    mac: z
      .string()
      .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'write a MAC as aa:bb:cc:dd:ee:ff, in lower case')
      .optional()
      .describe('Permanent MAC'),
    name: kernelName.optional().describe("The kernel's name"),
    pci: z
      .string()
      .regex(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/, 'write a PCI address as 0000:3b:00.0, in lower case')
      .optional()
      .describe('PCI address'),
    driver: z.string().min(1).max(64).optional().describe("Kernel driver's name"),
  })
  .refine((value) => Object.keys(value).length > 0, 'match names at least one of mac, name, pci, driver');

const address = z.strictObject({
  network: name.describe('Name of the network that the address is from'),
  address: ip.optional().describe('This address; without it the next free one is allocated'),
});

const mtu = z.int().min(68, 'IPv4 needs an MTU of 68 or more').max(65535).describe('Largest packet in bytes');

const intendedInterface = z.strictObject({
  match: match.optional().describe('Which port it is; all given must hold. Without it the logical name is the name'),
  mtu: mtu.optional(),
  dhcp4: z.boolean().optional().describe('Takes an IPv4 address by DHCP'),
  addresses: recordOf(name, address).optional().describe('Label → address'),
  gateway: ipv4.optional().describe("IPv4 default gateway; without it, its network's"),
  gateway6: ipv6.optional().describe("IPv6 default gateway; without it, its network's"),
});

const intended = z.strictObject({
  interfaces: recordOf(logicalName, intendedInterface).optional().describe('Logical name → interface'),
  dns: z
    .strictObject({
      servers: recordOf(ip, z.literal(true)).optional().describe('Address → true'),
      search: recordOf(domain, z.literal(true)).optional().describe('Domain → true'),
    })
    .optional(),
});

/** What resolve makes of the intent for one machine. Every member is comparable with what the machine observes. */
const wanted = z.strictObject({
  interfaces: z
    .record(
      kernelName,
      z.strictObject({
        mtu: mtu.optional(),
        dhcp4: z.literal(true).optional().describe('Has an IPv4 address by DHCP'),
        addresses: z.record(text, z.strictObject({})).optional().describe('Address with prefix length: 10.1.0.5/24'),
        gateway: ipv4.optional(),
        gateway6: ipv6.optional(),
      }),
    )
    .optional()
    .describe("The kernel's name → interface"),
  dns: z.strictObject({ servers: set.optional(), search: set.optional() }).optional(),
});

const observed = z.looseObject({
  interfaces: z
    .record(
      text,
      z.looseObject({
        kind: text.optional().describe('physical, bond, vlan or bridge'),
        mac: text.optional().describe('MAC in use; the permanent one is in nics'),
        mtu: count.optional(),
        dhcp4: z.boolean().optional().describe('Has an IPv4 address for a time, as by DHCP'),
        addresses: z
          .record(text, z.looseObject({ family: text.optional(), dynamic: z.boolean().optional() }))
          .optional()
          .describe('Global addresses with prefix length; no temporary ones (RFC 8981)'),
        gateway: text.optional().describe('IPv4 default gateway'),
        gateway6: text.optional().describe('IPv6 default gateway'),
        routes: z
          .record(
            text,
            z.looseObject({ gateway: text.optional(), on_link: z.boolean().optional(), dropped: count.optional() }),
          )
          .optional()
          .describe("Other routes by destination, without those that follow from the interface's addresses"),
        members: set.optional().describe('Ports of a bond or bridge'),
        parent: text.optional().describe('Interface below a VLAN'),
        vlan: count.optional(),
        dropped: count.optional(),
      }),
    )
    .optional(),
  dns: z.looseObject({ servers: set.optional(), search: set.optional() }).optional(),
});

/** The machine's own network: not what containers and virtual machines on it make. */
export const network = { observed, intended, wanted };
export type Network = z.infer<typeof observed>;
export type NetworkIntended = z.infer<typeof intended>;
export type NetworkWanted = z.infer<typeof wanted>;
