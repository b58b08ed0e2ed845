import { z } from 'zod';
import { count, set, text } from './fields.ts';
import { intended } from './network-intended.ts';
import { ipv4, ipv6, mtu } from './network-names.ts';

const bond = {
  mode: text.optional(),
  lacp_rate: text.optional(),
  transmit_hash: text.optional(),
  mii_monitor_ms: count.optional(),
  min_links: count.optional(),
  primary: text.optional(),
  members_up: count.optional().describe('Members that have a link'),
};

const route = z.looseObject({ gateway: text.optional(), on_link: z.boolean().optional() });

/** A route as it is written: `to` in CIDR notation. */
const wantedRoute = z.strictObject({
  to: text,
  via: text.optional(),
  metric: count.optional(),
  table: count.optional(),
});
export type WantedRoute = z.infer<typeof wantedRoute>;

const wantedRule = z.strictObject({ priority: count, from: text.optional(), to: text.optional(), table: count });
export type WantedRule = z.infer<typeof wantedRule>;

const wantedInterface = z.strictObject({
  kind: z.enum(['bond', 'vlan', 'bridge', 'vrf']).optional().describe('Absent: a port that is there'),
  bond: z.strictObject(bond).optional(),
  members: set.optional(),
  parent: text.optional(),
  vlan: count.optional(),
  stp: z.boolean().optional(),
  vrf: text.optional(),
  mtu: mtu.optional(),
  dhcp4: z.literal(true).optional().describe('Has an IPv4 address by DHCP'),
  addresses: z.record(text, z.strictObject({})).optional().describe('Address with prefix length: 10.1.0.5/24'),
  gateway: ipv4.optional(),
  gateway6: ipv6.optional(),
  routes: z.record(text, z.strictObject({ gateway: text.optional(), on_link: z.literal(true).optional() })).optional(),
  unobserved: z
    .strictObject({
      table: count.optional().describe("A VRF's"),
      dhcp6: z.literal(true).optional(),
      accept_ra: z.boolean().optional(),
      routes: z.array(wantedRoute).optional().describe('Every route but gateway and gateway6'),
      rules: z.array(wantedRule).optional(),
      metric: count.optional().describe('Of gateway and gateway6'),
    })
    .optional()
    .describe('What no file of the kernel shows: it is applied, and not compared'),
});
export type WantedInterface = z.infer<typeof wantedInterface>;

/** What resolve makes of the intent for one machine. Every member but `unobserved` is comparable with what it observes. */
const wanted = z.strictObject({
  interfaces: z.record(text, wantedInterface).optional().describe("The kernel's name → interface"),
  dns: z.strictObject({ servers: set.optional(), search: set.optional() }).optional(),
  unobserved: z
    .strictObject({
      renderer: z.enum(['networkd', 'netplan', 'ifupdown']).optional(),
      confirm_within_s: count.optional(),
      apply: z.enum(['now', 'next_boot']).optional(),
    })
    .optional(),
});

const observed = z.looseObject({
  interfaces: z
    .record(
      text,
      z.looseObject({
        kind: text.optional().describe('physical, loopback, bond, vlan, bridge or vrf'),
        bond: z.looseObject(bond).optional(),
        stp: z.boolean().optional(),
        vrf: text.optional().describe('The VRF that it is in'),
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
          .record(text, route.extend({ dropped: count.optional() }))
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
export type { NetworkIntended } from './network-intended.ts';
export type NetworkWanted = z.infer<typeof wanted>;
