import { lstatSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';

// The kernel's own limit (MAXSYMLINKS).
export const maxLinks = 40;

/**
 * Where a path of a captured machine lies on this one, its links followed as the captured machine would: absolute
 * targets start at `root`, and '..' stops there.
 * @param last 'link' leaves the last component alone, for readlink
 * @param from where the path begins: a folder of the captured machine without links on its way
 * @param onLink told of each link that was followed, by its path on the captured machine
 * @returns a path that begins with `root`, or undefined when it does not exist
 */
export function underRoot(
  root: string,
  path: string,
  last: 'follow' | 'link' = 'follow',
  onLink: (path: string, target: string) => void = () => {},
  from = '/',
): string | undefined {
  const todo = path.split('/').filter(Boolean);
  let here = from;
  let links = 0;
  while (todo.length > 0) {
    const name = todo.shift() ?? '';
    const next = posix.join(here, name);
    const stat = lstatSync(root + next, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink() || (last === 'link' && todo.length === 0)) {
      here = next;
      continue;
    }
    if (++links > maxLinks) return undefined;
    const target = readlinkSync(root + next);
    onLink(next, target);
    todo.unshift(...target.split('/').filter(Boolean));
    if (target.startsWith('/')) here = '/';
  }
  return root + here;
}
