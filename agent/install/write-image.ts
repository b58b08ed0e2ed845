import { fsyncSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { HEAD_BYTES, MARK_BYTES } from './guard.ts';

const END_BYTES = 1024 * 1024;

export interface ImageTarget {
  fd: number;
  /** Bytes of the disk. */
  diskBytes: number;
  /** Traces by which an interrupted install is known. */
  mark: Buffer;
}

/**
 * Writes an image but for its first MiB, which is zero on the disk until activate(). Answers that first MiB.
 *
 * @param chunks the image's bytes in order; they throw when they are not the image's
 * @param bytes how many they are
 * @param progress is told the bytes written so far; what it throws ends the writing
 * @throws Error when there are more or fewer; the disk is not bootable then
 */
export async function writeImage(
  { fd, diskBytes, mark }: ImageTarget,
  chunks: AsyncIterable<Buffer>,
  bytes: number,
  progress: (bytes: number) => void,
): Promise<Buffer> {
  writeAll(fd, Buffer.alloc(HEAD_BYTES), 0);
  // An old backup GPT must not bring back old partitions.
  writeAll(fd, Buffer.alloc(END_BYTES), diskBytes - END_BYTES);
  writeAll(fd, mark, diskBytes - MARK_BYTES);
  fsyncSync(fd);
  const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes));
  let at = 0;
  let writing = Promise.resolve();
  for await (const chunk of chunks) {
    if (at + chunk.length > bytes) throw new Error(`the image is longer than the ${bytes} bytes of its manifest`);
    const inHead = Math.max(0, Math.min(chunk.length, head.length - at));
    chunk.copy(head, Math.min(at, head.length), 0, inHead);
    // The next piece is decompressed while this one is written.
    await writing;
    writing = writeLater(fd, chunk.subarray(inHead), at + inHead);
    writing.catch(() => undefined);
    at += chunk.length;
    progress(at);
  }
  await writing;
  fsyncSync(fd);
  if (at !== bytes) throw new Error(`the image has ${at} bytes, and its manifest says ${bytes}`);
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

const writeSome = promisify(write);

async function writeLater(fd: number, data: Buffer, at: number): Promise<void> {
  for (let done = 0; done < data.length; )
    done += (await writeSome(fd, data, done, data.length - done, at + done)).bytesWritten;
}
