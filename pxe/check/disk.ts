import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Finding } from './finding.ts';

const LITTLE = 1e9;
const TOO_LITTLE = 1e8;

/** A folder that the boot service writes to; `setting` says where it is. */
export interface Folder {
  path: string;
  what: string;
  setting: string;
}

/** Folders that cannot be written to, or have no room; one that is not there yet is judged by where it will be. */
export function checkFolders(folders: Folder[]): Finding[] {
  return folders.flatMap(({ path, what, setting }): Finding[] => {
    const place = existing(resolve(path));
    try {
      writeProbe(join(place, `.machinedb-check-${process.pid}`));
    } catch (error) {
      return [
        {
          ...{ check: 'disk', level: 'error', what: `the folder of ${what}, ${path}, cannot be written to` },
          cause: (error as Error).message,
          way: `mount it for writing, make room, or set ${setting} to another folder`,
        },
      ];
    }
    const { bavail, bsize } = statfsSync(place);
    return judgeSpace({ path, what, setting }, bavail * bsize);
  });
}

/** @param free bytes */
export function judgeSpace({ path, what, setting }: Folder, free: number): Finding[] {
  if (free >= LITTLE) return [];
  return [
    {
      check: 'disk',
      level: free < TOO_LITTLE ? 'error' : 'warning',
      what: `the folder of ${what}, ${path}, has ${Math.floor(free / 1e6)} MB left`,
      cause: 'its file system is nearly full: leases and images cannot be kept then',
      way: `make room, or set ${setting} to another folder`,
    },
  ];
}

function existing(path: string): string {
  return existsSync(path) || path === '/' ? path : existing(dirname(path));
}

/** Writes a block to the disk itself, for a full or failing one tells only then. */
function writeProbe(file: string): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    writeSync(fd, Buffer.alloc(4096));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
    rmSync(file, { force: true });
  }
}
