import { z } from 'zod';
import { count, cpuList, text } from './fields.ts';

/**
 * NUMA nodes, keyed by the kernel's number. Before agents had this section, `memory.nodes` held cpus, memory_bytes and
 * distances in the same form. `truncated` says how many a machine had beyond what is reported.
 */
export const numa = {
  observed: z.record(
    text,
    z.looseObject({
      cpus: cpuList.optional().describe("CPUs as the kernel lists them: '0-3,8'"),
      memory_bytes: count.optional(),
      memory_only: z.literal(true).optional().describe('Memory without CPUs: CXL, HBM, NVDIMM, a GPU'),
      gpu: text.optional().describe('PCI address of the GPU whose memory this is'),
      dax: text.optional().describe('Device that the memory comes from: dax0.0'),
      cache_bytes: count.optional().describe('Memory-side cache in front of it'),
      distances: z.record(text, count).optional().describe('Node → distance; 10 is the node itself'),
      distances_dropped: count.optional().describe('Distances beyond what is reported'),
      read_bandwidth_mbs: count.optional().describe('From the nearest CPUs, MB/s, by the firmware'),
      write_bandwidth_mbs: count.optional(),
      read_latency_ns: count.optional(),
      write_latency_ns: count.optional(),
      dropped: count.optional(),
    }),
  ),
};
export type Numa = z.infer<typeof numa.observed>;
