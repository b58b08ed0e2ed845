import { z } from 'zod';
import { text } from './fields.ts';

const part = {
  manufacturer: text.optional(),
  version: text.optional(),
  serial: text.optional(),
};

/** What the machine is. Serials and UUID are hints to find it by, never proof of who it is. */
export const system = {
  observed: z.looseObject({
    ...part,
    product: text.optional().describe('Hardware model'),
    uuid: text.optional().describe('SMBIOS UUID, lower case'),
    sku: text.optional(),
    family: text.optional(),
    asset_tag: text.optional().describe("The chassis' asset tag"),
    virtual: text
      .optional()
      .describe('What a virtual machine runs on: qemu, kvm, firecracker, unknown; absent on metal'),
    board: z
      .looseObject({ ...part, product: text.optional(), asset_tag: text.optional() })
      .optional()
      .describe('Main board'),
    chassis: z.looseObject({ ...part, type: text.optional(), sku: text.optional() }).optional(),
  }),
};
export type System = z.infer<typeof system.observed>;
