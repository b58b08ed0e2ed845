import { z } from 'zod';
import { count, text } from './fields.ts';

const dimm = z.looseObject({
  size_bytes: count.optional(),
  type: text.optional().describe('DDR4, DDR5, HBM2'),
  form_factor: text.optional(),
  buffering: text.optional().describe('registered, unbuffered, load-reduced'),
  speed_mts: count.optional().describe('Rated speed, megatransfers per second'),
  configured_mts: count.optional().describe('Speed it runs at'),
  rank: count.optional(),
  ecc: z.boolean().optional(),
  manufacturer: text.optional(),
  part: text.optional(),
  serial: text.optional(),
  asset_tag: text.optional(),
  bank: text.optional(),
});

/** The memory and its modules. */
export const memory = {
  observed: z.looseObject({
    total_bytes: count.optional().describe('What the kernel manages: a little less than the modules hold'),
    slots: count.optional().describe('Slots for modules, empty ones included'),
    empty_slots: count.optional(),
    max_bytes: count.optional().describe('Most the board takes, by its firmware'),
    error_correction: text.optional().describe('none, parity, single-bit, multi-bit, crc'),
    dimms: z.record(text, dimm).optional().describe("Modules by the board's name of their slot"),
  }),
};
export type Memory = z.infer<typeof memory.observed>;
