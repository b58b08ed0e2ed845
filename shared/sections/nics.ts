import { z } from 'zod';
import { count, text } from './fields.ts';

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
      mtu: count.optional().describe('Bytes'),
      link: z.boolean().optional().describe('Carrier; absent while the interface is down'),
      speed_mbps: count.optional(),
      duplex: text.optional(),
      numa_node: count.optional(),
      pci: text.optional().describe('PCI address'),
      port: count.optional().describe('Port of a card with several ports on one PCI function, from 0'),
      sriov: z.looseObject({ total: count.optional() }).optional().describe('Virtual functions it can have'),
      dropped: count.optional(),
    }),
  ),
};
export type Nics = z.infer<typeof nics.observed>;
