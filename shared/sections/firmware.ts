import { z } from 'zod';
import { count, text } from './fields.ts';

/** The platform's firmware. */
export const firmware = {
  observed: z.looseObject({
    mode: text.optional().describe('uefi or bios: how the running kernel was booted'),
    vendor: text.optional(),
    version: text.optional(),
    date: text.optional().describe('yyyy-mm-dd'),
    release: text.optional().describe('Number of the release: 2.2'),
    controller_release: text.optional().describe("Release of the embedded controller's firmware"),
    smbios_version: text.optional(),
    uefi_bits: count.optional().describe('32 or 64'),
    secure_boot: z.boolean().optional(),
    setup_mode: z.boolean().optional().describe('UEFI accepts new platform keys from anyone'),
  }),
};
export type Firmware = z.infer<typeof firmware.observed>;
