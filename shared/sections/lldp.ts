import { z } from 'zod';
import { count, set, text } from './fields.ts';

const neighbor = z.looseObject({
  chassis_id: text
    .optional()
    .describe("The neighbour's own identity: mostly a MAC, lower case; bytes that are no text as 0x.."),
  chassis_id_subtype: text
    .optional()
    .describe('chassis_component, interface_alias, port_component, mac, network_address, interface_name, local'),
  system_name: text.optional().describe("The neighbour's name, mostly a switch's host name"),
  port_id: text.optional().describe("The neighbour's port, mostly its interface name"),
  port_id_subtype: text
    .optional()
    .describe('interface_alias, port_component, mac, network_address, interface_name, agent_circuit_id, local'),
  port_description: text.optional(),
  management_addresses: set.optional().describe('Address → true; only where systemd-networkd keeps whole frames'),
  port_vlan: count.optional().describe('VLAN of untagged frames (IEEE 802.1Q, D.2.1); as above'),
  vlans: z
    .record(text, z.looseObject({ name: text.optional(), dropped: count.optional() }))
    .optional()
    .describe('VLAN id → its name (IEEE 802.1Q, D.2.3); as above'),
  dropped: count.optional(),
});

/**
 * What is at the other end of the cables, by LLDP (IEEE 802.1AB): interface → "chassis id, blank, port id" → neighbour.
 * `truncated` says how many neighbours or VLANs there are beyond what is reported. How long a neighbour stays known (TTL) and
 * when it was last heard change by themselves, and are not told.
 */
export const lldp = { observed: z.record(text, z.record(text, neighbor)) };
export type Lldp = z.infer<typeof lldp.observed>;
