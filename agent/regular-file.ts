import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { orAbsent } from './absent.ts';

/** Largest file a section may ask for: /proc/cpuinfo of 4,096 CPUs is about 8 MiB. */
export const maxFileBytes = 16 * 1024 * 1024;

/** Makes something of a file's first `length` bytes. They stand in a buffer that the next file is read into. */
export type Take<T> = (bytes: Buffer, length: number) => T;

/** Content, for whoever keeps it. */
export const copyOf: Take<Buffer> = (bytes, length) => Buffer.from(bytes.subarray(0, length));

/** Text without the newlines and NULs at its end. */
export const textIn: Take<string> = (bytes, length) => {
  let end = length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0)) end--;
  return bytes.toString('utf8', 0, end);
};

// A FIFO must not hold us up, nor a terminal become ours.
const CAREFULLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a file that may be anything.
 * @param name in errors: what the machine calls it
 */
export function readAny<T>(place: string, name: string, take: Take<T>): T | undefined {
  // stat comes first: opening a FIFO may block and opening a device may act, and an absent file costs no exception.
  const stat = orAbsent(() => statSync(place, { throwIfNoEntry: false }));
  if (stat === undefined || stat.isDirectory()) return undefined;
  if (!stat.isFile()) throw notRegular(name);
  const file = orAbsent(() => openSync(place, CAREFULLY));
  if (file === undefined) return undefined;
  try {
    // The file may have been exchanged between stat and open.
    if (!fstatSync(file).isFile()) throw notRegular(name);
    return orAbsent(() => readAll(file, name, take));
  } finally {
    closeSync(file);
  }
}

/**
 * Reads what is known to be a regular file, or nothing: it is looked at no more before it is opened.
 * @param follow whether a link in its place is followed
 */
export function readRegular<T>(place: string, name: string, take: Take<T>, follow = true): T | undefined {
  const file = orAbsent(() => openSync(place, follow ? CAREFULLY : CAREFULLY | constants.O_NOFOLLOW));
  if (file === undefined) return undefined;
  try {
    return orAbsent(() => readAll(file, name, take));
  } finally {
    closeSync(file);
  }
}

// Most files of sysfs are shorter, and are read thousands of times.
const scratch = Buffer.alloc(16 * 1024);

// The kernel gives an attribute of sysfs whole, and a table of it a page at a time (Documentation/filesystems/sysfs.rst).
const PAGE = 4096;

// st_size says 4096 (sysfs) or 0 (procfs), so the end of the file is what read() says it is.
function readAll<T>(file: number, name: string, take: Take<T>): T {
  const parts: Buffer[] = [];
  let total = 0;
  for (let into = scratch; ; into = Buffer.allocUnsafe(1024 * 1024)) {
    let filled = 0;
    while (filled < into.length) {
      const got = readSync(file, into, filled, into.length - filled, null);
      filled += got;
      total += got;
      if (got === 0 || (got < PAGE && name.startsWith('/sys/'))) {
        if (parts.length === 0) return take(into, filled);
        return take(Buffer.concat([...parts, into.subarray(0, filled)]), total);
      }
      if (total > maxFileBytes) throw new Error(`${name} is larger than ${maxFileBytes} bytes: it was not read`);
    }
    parts.push(into === scratch ? Buffer.from(into) : into);
  }
}

export function notRegular(name: string): Error {
  return new Error(`${name} is not a regular file: it was not read`);
}
