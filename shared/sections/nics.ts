import { z } from 'zod';
import { count, text } from './fields.ts';
import { sriov } from './pci.ts';

/**
 * Physical network ports, keyed by permanent MAC (InfiniBand: port GUID), or by name where no MAC identifies the port.
 * `truncated` says how many a machine had beyond what is reported.
 */
export const nics = {
  observed: z.record(
    text,
    z.looseObject({
      name: text.optional().describe("The kernel's name"),
      kind: text.optional().describe('ethernet or infiniband'),
      mac: text.optional().describe('Permanent MAC, lower case'),
      guid: text.optional().describe('InfiniBand port GUID'),
      driver: text.optional(),
      firmware: text
        .optional()
        .describe('Where the driver tells it in a file (of cards that can RDMA), or ethtool is installed'),
      bond: text.optional().describe('The bond that it is a port of'),
      bridge: text.optional().describe('The bridge that it is a port of'),
      vrf: text.optional().describe('The VRF that it is in'),
      vlans: z.record(text, text).optional().describe('VLAN id → interface on top of it'),
      rdma: z
        .looseObject({
          device: text.optional().describe('mlx5_0'),
          node_guid: text.optional(),
          system_guid: text.optional().describe('One for all ports of a card'),
          link_layer: text.optional().describe('Ethernet or InfiniBand'),
          board: text.optional().describe("The maker's id of the card (PSID)"),
        })
        .optional(),
      mtu: count.optional().describe('Bytes'),
      link: z.boolean().optional().describe('Carrier; absent while the interface is down'),
      speed_mbps: count.optional(),
      duplex: text.optional(),
      numa_node: count.optional(),
      pci: text.optional().describe('PCI address'),
      port: count.optional().describe('Port of a card with several ports on one PCI function, from 0'),
      sriov: sriov.optional(),
      dropped: count.optional(),
    }),
  ),
};
export type Nics = z.infer<typeof nics.observed>;
