import { createHash } from 'node:crypto';
import { fsyncSync, writeSync } from 'node:fs';
import { MARK_BYTES } from './guard.ts';

/** What makes a disk bootable is in its first MiB: MBR and GPT. It is written last. */
export const HEAD_BYTES = 1024 * 1024;
const END_BYTES = 1024 * 1024;

export interface ImageTarget {
  fd: number;
  /** Bytes of the disk. */
  diskBytes: number;
  /** Traces by which an interrupted install is known. */
  mark: Buffer;
}

export interface Expected {
  raw_size: number;
  raw_sha256: string;
}

/**
 * Writes an image but for its first MiB, which is zero on the disk until activate(). Answers that first MiB.
 *
 * @param chunks the image's bytes in order
 * @param progress is told the bytes written so far
 * @throws Error when it is not the image expected; the disk is not bootable then
 */
export async function writeImage(
  { fd, diskBytes, mark }: ImageTarget,
  chunks: AsyncIterable<Buffer>,
  expected: Expected,
  progress: (bytes: number) => Promise<void>,
): Promise<Buffer> {
  writeAll(fd, Buffer.alloc(HEAD_BYTES), 0);
  // An old backup GPT must not bring back old partitions.
  writeAll(fd, Buffer.alloc(END_BYTES), diskBytes - END_BYTES);
  writeAll(fd, mark, diskBytes - MARK_BYTES);
  fsyncSync(fd);
  const hash = createHash('sha256');
  const head = Buffer.alloc(Math.min(HEAD_BYTES, expected.raw_size));
  let at = 0;
  for await (const chunk of chunks) {
    if (at + chunk.length > expected.raw_size)
      throw new Error(`the image is longer than the ${expected.raw_size} bytes of its manifest`);
    hash.update(chunk);
    const inHead = Math.max(0, Math.min(chunk.length, head.length - at));
    chunk.copy(head, Math.min(at, head.length), 0, inHead);
    if (inHead < chunk.length) writeAll(fd, chunk.subarray(inHead), at + inHead);
    at += chunk.length;
    await progress(at);
  }
  fsyncSync(fd);
  if (at !== expected.raw_size)
    throw new Error(`the image has ${at} bytes, and its manifest says ${expected.raw_size}`);
  const digest = hash.digest('hex');
  if (digest !== expected.raw_sha256)
    throw new Error(
      `the image's SHA-256 is ${digest}, and its manifest says ${expected.raw_sha256}: the disk was not made bootable`,
    );
  return head;
}

/** Makes the disk bootable: its first MiB, durably. */
export function activate(fd: number, head: Buffer): void {
  // The first sector last: BIOS and UEFI look there first.
  writeAll(fd, head.subarray(512), 512);
  fsyncSync(fd);
  writeAll(fd, head.subarray(0, 512), 0);
  fsyncSync(fd);
}

function writeAll(fd: number, data: Buffer, at: number): void {
  for (let done = 0; done < data.length; ) done += writeSync(fd, data, done, data.length - done, at + done);
}
