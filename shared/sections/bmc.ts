import { z } from 'zod';
import { count, set, text } from './fields.ts';

/** The management controller, as its own machine knows it. */
export const bmc = {
  observed: z.looseObject({
    interface: text.optional().describe('How the machine speaks with it: kcs, smic, bt, ssif'),
    ipmi_version: text.optional(),
    firmware: text.optional(),
    manufacturer: text.optional().describe("The maker's name"),
    manufacturer_id: text.optional().describe("The maker's IANA enterprise number"),
    product_id: text.optional(),
    guid: text.optional(),
    channel: count.optional().describe('Of its LAN'),
    mac: text.optional(),
    addresses: set.optional().describe("Its own, with their prefixes: '10.1.9.5/24'"),
    address_source: text.optional().describe('static, dhcp, bios, other'),
    gateway: text.optional(),
    vlan: count.optional(),
    redfish: z
      .looseObject({
        address: text.optional(),
        port: count.optional(),
        hostname: text.optional(),
        vlan: count.optional(),
        host_address: text.optional().describe('What the machine is to have on its side'),
        uuid: text.optional(),
      })
      .optional()
      .describe('Its Redfish service, as reached from the machine without the network (DSP0270)'),
  }),
};
export type Bmc = z.infer<typeof bmc.observed>;
