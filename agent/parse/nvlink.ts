import type { Gpus } from '../../shared/sections/gpus.ts';

/** How many links of a GPU are up, and the speed of the slowest, each way. */
export type Nvlink = NonNullable<Gpus[string]['nvlink']>;

const MOST_LINKS = 64;

/**
 * Reads `nvidia-smi nvlink --status`: 'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-...)' and below it 'Link 0: 25 GB/s', or
 * '<inactive>'. GPUs without NVLink, and lines of any other form, are left out.
 * @returns by the UUID of the GPU
 */
export function parseNvlink(text: string): Map<string, Nvlink> {
  const found = new Map<string, Nvlink>();
  let uuid: string | undefined;
  for (const line of text.split('\n')) {
    const head = /^GPU \d{1,3}:.*\(UUID: (GPU-[0-9a-f-]{36})\)/.exec(line);
    if (head !== null) uuid = head[1];
    const speed = /^\s+Link \d{1,2}: (\d{1,4}(?:\.\d{1,3})?) GB\/s/.exec(line)?.[1];
    if (uuid === undefined || speed === undefined) continue;
    const { links = 0, gigabytes_per_s = Number.POSITIVE_INFINITY } = found.get(uuid) ?? {};
    if (links < MOST_LINKS) {
      found.set(uuid, { links: links + 1, gigabytes_per_s: Math.min(gigabytes_per_s, Number(speed)) });
    }
  }
  return found;
}
