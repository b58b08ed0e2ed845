import { writeSync } from 'node:fs';

/** Writes all bytes at a place of an open file. A write may be cut short where the disk is full: this one goes on, and then throws. */
export function writeAt(fd: number, data: Buffer, at: number): void {
  for (let done = 0; done < data.length; ) done += writeSync(fd, data, done, data.length - done, at + done);
}
