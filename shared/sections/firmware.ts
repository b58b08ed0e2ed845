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
    boot_order: z.array(text).optional().describe("Numbers of UEFI's entries, the first is tried first: 0003"),
    boot_order_dropped: count.optional().describe('Entries beyond what is reported'),
    boot_entries: z
      .record(
        text,
        z.looseObject({
          label: text.optional(),
          active: z.boolean().optional(),
          from: text.optional().describe('network, disk, cd, usb, bios'),
          mac: text.optional().describe('Of the port it boots from'),
          uri: text.optional(),
          file: text.optional().describe('Loader on the disk'),
        }),
      )
      .optional()
      .describe('The entries of the boot order by number'),
  }),
};
export type Firmware = z.infer<typeof firmware.observed>;
