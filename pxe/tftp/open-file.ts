import { closeSync, constants, fstatSync, openSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';

export interface OpenFile {
  fd: number;
  size: number;
}

/**
 * Opens a file below `root` by the name that a client gives; undefined when there is none, or when the name leads out of the
 * root, by dots or by links. The open file stays what it is when another takes its name.
 */
export function openBelow(root: string, name: string): OpenFile | undefined {
  const plain = name.replace(/^\/+/, '');
  if (!/^[\w][\w.+/-]*$/.test(plain) || plain.split('/').some((part) => part === '..' || part === '.'))
    return undefined;
  let fd: number;
  try {
    const real = realpathSync.native(join(root, plain));
    if (!real.startsWith(realpathSync.native(root) + sep)) return undefined;
    fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  const stat = fstatSync(fd);
  if (stat.isFile()) return { fd, size: stat.size };
  closeSync(fd);
  return undefined;
}
