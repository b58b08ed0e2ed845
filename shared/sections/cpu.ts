import { z } from 'zod';
import { count, cpuList, set, text } from './fields.ts';

/** The processors that are online. */
export const cpu = {
  observed: z.looseObject({
    vendor: text.optional().describe('AuthenticAMD, GenuineIntel, ARM, HiSilicon'),
    model: text.optional(),
    family: count.optional(),
    model_number: count.optional().describe('Model within the family; the part number on ARM'),
    stepping: text.optional().describe('Stepping; variant and revision on ARM (r3p1)'),
    microcode: text.optional(),
    drawers: count.optional().describe('IBM Z'),
    books: count.optional().describe('IBM Z'),
    sockets: count.optional(),
    dies: count.optional(),
    clusters: count.optional().describe('Groups of cores that share a cache below the last, where there are some'),
    cores: count.optional(),
    threads: count.optional(),
    smt: z.boolean().optional().describe('More than one thread runs on a core'),
    smt_control: text.optional().describe('on, off, forceoff, notsupported, notimplemented'),
    offline: count.optional().describe('Threads that are present but switched off'),
    offline_cpus: cpuList.optional().describe("Which, as the kernel lists them: '4-7'"),
    kinds: z
      .record(text, z.looseObject({ threads: count, cores: count.optional(), cpus: cpuList.optional() }))
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
