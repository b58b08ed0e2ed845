import { z } from 'zod';
import { count, set, text } from './fields.ts';

/** The processors that are online. */
export const cpu = {
  observed: z.looseObject({
    vendor: text.optional().describe('AuthenticAMD, GenuineIntel, ARM, HiSilicon'),
    model: text.optional(),
    family: count.optional(),
    model_number: count.optional().describe('Model within the family; the part number on ARM'),
    stepping: text.optional().describe('Stepping; variant and revision on ARM (r3p1)'),
    microcode: text.optional(),
    sockets: count.optional(),
    dies: count.optional(),
    cores: count.optional(),
    threads: count.optional(),
    smt: z.boolean().optional().describe('More than one thread runs on a core'),
    smt_control: text.optional().describe('on, off, forceoff, notsupported, notimplemented'),
    offline: count.optional().describe('Threads that are present but switched off'),
    kinds: z
      .record(text, z.looseObject({ threads: count }))
      .optional()
      .describe('Kinds of core of a hybrid CPU'),
    flags: set.optional().describe('The few CPU flags that decide where software runs'),
    caches: z
      .record(
        text,
        z.looseObject({
          size_bytes: count.optional().describe('Size of each, when equal'),
          total_bytes: count,
          instances: count,
          shared_by: count.optional().describe('Threads that share one, when equal'),
        }),
      )
      .optional()
      .describe('By name: l1d, l1i, l2, l3'),
  }),
};
export type Cpu = z.infer<typeof cpu.observed>;
