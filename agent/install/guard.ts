import { readSync } from 'node:fs';

/** What is looked at for data: partition tables, file systems, LVM, RAID and ZFS labels are at either end of a disk. */
const START_BYTES = 16 * 1024 * 1024;
const END_BYTES = 1024 * 1024;
const PIECE = 1024 * 1024;

/** What makes a disk bootable is in its first MiB: MBR and GPT. An install writes it last. */
export const HEAD_BYTES = 1024 * 1024;

/** The last bytes of a disk, where the mark of an install in progress stands. */
export const MARK_BYTES = 4096;

const MARK_START = 'machinedb-install ';

/** The text by which an interrupted install knows its own traces. */
export function markOf(node: string, generation: number): Buffer {
  const mark = Buffer.alloc(MARK_BYTES);
  mark.write(`${MARK_START}node=${node} generation=${generation}\n`);
  return mark;
}

/** The node that a mark is of; undefined: there is no mark. */
function nodeIn(end: Buffer): string | undefined {
  return /^machinedb-install node=(\S+) /.exec(end.toString('latin1'))?.[1];
}

/** Whether an install, of whichever request, began to write a disk and did not end: there is no system on it to start. */
export function isHalfWritten(fd: number, size: number): boolean {
  const end = read(fd, size - MARK_BYTES, MARK_BYTES);
  return end.toString('latin1').startsWith(MARK_START) && isZero(read(fd, 0, HEAD_BYTES));
}

export type Contents = 'empty' | 'ours' | 'data';

/**
 * Whether a disk holds data. `ours`: what an interrupted install of the same node left. What was there before was given up when that
 * began; of an earlier request it must be half written, since a whole system has its mark, too.
 *
 * @param fd open disk
 * @param size of the disk in bytes
 */
export function contentsOf(fd: number, size: number, mark: Buffer): Contents {
  const end = read(fd, size - MARK_BYTES, MARK_BYTES);
  if (end.equals(mark)) return 'ours';
  const node = nodeIn(end);
  if (node !== undefined && node === nodeIn(mark) && isHalfWritten(fd, size)) return 'ours';
  for (let at = 0; at < Math.min(START_BYTES, size); at += PIECE) if (!isZero(read(fd, at, PIECE))) return 'data';
  return isZero(read(fd, Math.max(0, size - END_BYTES), END_BYTES)) ? 'empty' : 'data';
}

function read(fd: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, at));
}

function isZero(buffer: Buffer): boolean {
  return buffer.every((byte) => byte === 0);
}
