import { z } from 'zod';
import { name } from './name.ts';
import { domain, ip, ipv4, ipv6, kernelName, logicalName, mtu, prefix } from './network-names.ts';
import { recordOf } from './record.ts';

/** A text of LLDP (IEEE 802.1AB): names of switches and ports hold "/", ":" and blanks. */
const lldpText = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}]*$/u, 'a name without control characters');

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
    lldp: z
      .strictObject({
        system: lldpText.describe("The neighbour's name"),
        port: lldpText.describe("The neighbour's port"),
      })
      .optional()
      .describe('Where its cable leads, by LLDP'),
  })
  .refine((value) => Object.keys(value).length > 0, 'match names at least one of mac, name, pci, driver, lldp');

const address = z
  .strictObject({
    network: name.describe('Name of the network that the address is from: the one nearest to where the node stands'),
    address: ip.optional().describe('This address; without it, and without "by", the first free one is allocated'),
    by: z
      .literal('unit')
      .optional()
      .describe("The network's own address plus offset plus the lowest rack unit that the node takes"),
    offset: z.int().min(0).max(0xffffffff).optional().describe('Added to the unit; 0 when absent'),
  })
  .refine(({ address: given, by }) => given === undefined || by === undefined, {
    path: ['by'],
    message: 'an address is given, or follows from the unit: leave one of "address" and "by" out',
  })
  .refine(({ by, offset }) => offset === undefined || by !== undefined, {
    path: ['offset'],
    message: 'an offset goes with by: "unit"',
  });

const members = recordOf(logicalName, z.literal(true))
  .refine((value) => Object.keys(value).length > 0, 'it has at least one member')
  .describe('Logical name of an interface → true');

const transmitHashes = ['layer2', 'layer3+4', 'layer2+3', 'encap2+3', 'encap3+4', 'vlan+srcmac'] as const;

// Terms and limits of the kernel's Documentation/networking/bonding.rst.
const bond = z
  .strictObject({
    members,
    mode: z.enum(['balance-rr', 'active-backup', 'balance-xor', 'broadcast', '802.3ad', 'balance-tlb', 'balance-alb']),
    lacp_rate: z.enum(['slow', 'fast']).optional().describe('How often LACP is asked for: each 30 s or each second'),
    transmit_hash: z.enum(transmitHashes).optional().describe('What chooses the member for a packet'),
    mii_monitor_ms: z.int().min(10).max(10_000).optional().describe('How often the link is looked at; 100 when absent'),
    min_links: z.int().min(1).max(64).optional().describe('Members with a link that it needs to be up'),
    primary: logicalName.optional().describe('The member that is used while it has a link'),
  })
  .refine(({ mode, lacp_rate }) => lacp_rate === undefined || mode === '802.3ad', {
    path: ['lacp_rate'],
    message: 'only mode 802.3ad has LACP',
  })
  .refine(({ mode, min_links }) => min_links === undefined || mode === '802.3ad', {
    path: ['min_links'],
    message: 'only mode 802.3ad has min_links',
  })
  .refine(
    ({ mode, transmit_hash }) =>
      transmit_hash === undefined || ['balance-xor', '802.3ad', 'balance-tlb', 'balance-alb'].includes(mode),
    { path: ['transmit_hash'], message: 'only modes balance-xor, 802.3ad, balance-tlb and balance-alb have one' },
  )
  .refine(
    ({ mode, primary }) => primary === undefined || ['active-backup', 'balance-tlb', 'balance-alb'].includes(mode),
    { path: ['primary'], message: 'only modes active-backup, balance-tlb and balance-alb have one' },
  )
  .refine(({ members: own, primary }) => primary === undefined || own[primary] === true, {
    path: ['primary'],
    message: 'primary is one of its members',
  });

const vlan = z.strictObject({
  id: z.int().min(1).max(4094, 'a VLAN has an id of 1 to 4094 (IEEE 802.1Q)'),
  parent: logicalName.describe('Logical name of the interface below it'),
});

const bridge = z.strictObject({
  members: members.optional(),
  stp: z.boolean().optional().describe('Spanning tree protocol; off when absent'),
});

// 253 to 255 are default, main and local (rt_tables).
const table = z
  .int()
  .min(1)
  .max(0xffffffff)
  .refine((id) => id < 253 || id > 255, 'tables 253 to 255 are the kernel\'s own: leave "table" out for main');

const metric = z.int().min(1).max(0xffffffff).describe('The lower one is preferred');

const route = z
  .strictObject({
    to: z.union([z.literal('default'), z.literal('default6'), prefix]).describe('Network, or default, default6'),
    via: ip.optional().describe('Gateway; without it the network is on the link'),
    metric: metric.optional(),
    table: table.optional().describe("Routing table; main, or its VRF's, when absent"),
  })
  .refine(({ to, via }) => via === undefined || via.includes(':') === (to === 'default6' || to.includes(':')), {
    path: ['via'],
    message: 'via is of the other address family than to',
  })
  .refine(({ to, via }) => via !== undefined || !to.startsWith('default'), {
    path: ['via'],
    message: 'a default route has a gateway',
  });

const rule = z
  .strictObject({
    priority: z.int().min(1).max(32765, "priorities 32766 and 32767 are the kernel's own (main, default)"),
    from: prefix.optional(),
    to: prefix.optional(),
    table: table.describe('Routing table that is looked up'),
  })
  .refine(({ from, to }) => from !== undefined || to !== undefined, 'a rule says from, to, or both')
  .refine(({ from, to }) => from === undefined || to === undefined || from.includes(':') === to.includes(':'), {
    path: ['to'],
    message: 'to is of the other address family than from',
  });

const kinds = ['match', 'bond', 'vlan', 'bridge', 'vrf_table'] as const;

const intendedInterface = z
  .strictObject({
    match: match.optional().describe('Which port it is; all given must hold. Without it the logical name is the name'),
    bond: bond.optional().describe('It is a bond, named by its logical name'),
    vlan: vlan.optional().describe('It is a VLAN, named by its logical name'),
    bridge: bridge.optional().describe('It is a bridge, named by its logical name'),
    vrf_table: table.optional().describe('It is a VRF with this routing table, named by its logical name'),
    vrf: logicalName.optional().describe('The VRF that it is in'),
    mtu: mtu.optional(),
    dhcp4: z.boolean().optional().describe('Takes an IPv4 address by DHCP'),
    dhcp6: z.boolean().optional().describe('Takes an IPv6 address by DHCP'),
    accept_ra: z.boolean().optional().describe('Heeds IPv6 router advertisements'),
    addresses: recordOf(name, address).optional().describe('Label → address'),
    gateway: ipv4.optional().describe("IPv4 default gateway; without it, its network's"),
    gateway6: ipv6.optional().describe("IPv6 default gateway; without it, its network's"),
    metric: metric.optional().describe('Of its default gateways'),
    routes: recordOf(name, route).optional().describe('Label → route'),
    rules: recordOf(name, rule).optional().describe('Label → policy rule'),
  })
  .superRefine((value, context) => {
    const [first, second] = kinds.filter((kind) => value[kind] !== undefined);
    if (first !== undefined && second !== undefined)
      context.addIssue({
        code: 'custom',
        path: [second],
        message: `it is one of ${kinds.join(', ')}, and has ${first}`,
      });
  });

/** What people may want of a network. */
export const intended = z
  .strictObject({
    interfaces: recordOf(logicalName, intendedInterface).optional().describe('Logical name → interface'),
    dns: z
      .strictObject({
        servers: recordOf(ip, z.literal(true)).optional().describe('Address → true'),
        search: recordOf(domain, z.literal(true)).optional().describe('Domain → true'),
      })
      .optional(),
    renderer: z
      .enum(['networkd', 'netplan', 'ifupdown'])
      .optional()
      .describe('What configures it on the machine; found by looking when absent'),
    confirm_within_s: z
      .int()
      .min(5)
      .max(3600)
      .optional()
      .describe("Seconds until a change that is not confirmed is undone; the agent's own, 60, when absent"),
    apply: z
      .enum(['now', 'next_boot'])
      .optional()
      .describe('When a change is made: for moves that go with a change of the switch'),
  })
  .superRefine(({ interfaces = {} }, context) => {
    for (const [logical, value] of Object.entries(interfaces)) {
      const virtual = (['bond', 'vlan', 'bridge', 'vrf_table'] as const).some((kind) => value[kind] !== undefined);
      if (virtual && !kernelName.safeParse(logical).success)
        context.addIssue({
          code: 'custom',
          path: ['interfaces', logical],
          message: 'a bond, VLAN, bridge or VRF has the name it gets: at most 15 characters',
        });
    }
  });
export type NetworkIntended = z.infer<typeof intended>;
