const SECTOR = 512;
const ENTRY_BYTES = 128;

export interface Partition {
  /** Bytes from the beginning of the disk. */
  start: number;
  size: number;
}

/**
 * The largest partition of a GPT (UEFI specification 2.10, section 5.3): the root file system of a golden image.
 *
 * @param head the first MiB of the disk
 * @throws Error when there is no GPT or no partition in it
 */
export function largestPartition(head: Buffer): Partition {
  const header = head.subarray(SECTOR, 2 * SECTOR);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') throw new Error('the image has no GPT');
  const first = Number(header.readBigUInt64LE(72)) * SECTOR;
  const count = header.readUInt32LE(80);
  const size = header.readUInt32LE(84);
  if (size < ENTRY_BYTES || first + count * size > head.length) throw new Error('the GPT of the image is broken');
  const partitions = Array.from({ length: count }, (_, i) => head.subarray(first + i * size, first + (i + 1) * size))
    .filter((entry) => !entry.subarray(0, 16).every((byte) => byte === 0))
    .map((entry) => {
      const start = Number(entry.readBigUInt64LE(32));
      return { start: start * SECTOR, size: (Number(entry.readBigUInt64LE(40)) - start + 1) * SECTOR };
    })
    .sort((a, b) => b.size - a.size);
  if (partitions[0] === undefined) throw new Error('the GPT of the image has no partition');
  return partitions[0];
}
