import { posix } from 'node:path';
import type { System } from '../system.ts';
import type { Tree } from './tree.ts';

/** A machine whose files are in memory: for trees of thousands of files, which take seconds to make on a disk. */
export function memorySystem(tree: Tree): System {
  const folders = new Map<string, Set<string>>([['/', new Set()]]);
  for (const path of Object.keys(tree)) {
    for (let here = path; here !== '/'; here = posix.dirname(here)) {
      const above = posix.dirname(here);
      folders.set(above, (folders.get(above) ?? new Set()).add(posix.basename(here)));
    }
  }
  const real = (path: string, last: 'follow' | 'link' = 'follow'): string | undefined => {
    let here = '/';
    const todo = path.split('/').filter(Boolean);
    while (todo.length > 0) {
      const next = posix.join(here, todo.shift()!);
      const entry = tree[next];
      const target = typeof entry === 'object' && 'link' in entry ? (entry.link as string) : undefined;
      if (target === undefined || (last === 'link' && todo.length === 0)) here = next;
      else todo.unshift(...posix.resolve(here, target).split('/').filter(Boolean));
      if (target !== undefined && here !== next) here = '/';
    }
    return here in tree || folders.has(here) ? here : undefined;
  };
  const content = (path: string) => {
    const entry = tree[real(path) ?? ''];
    return typeof entry === 'string' ? entry : Buffer.isBuffer(entry) ? entry.toString('latin1') : undefined;
  };
  return {
    root: '/in-memory',
    read: (path) => content(path)?.replace(/[\n\0]+$/, ''),
    readBytes: (path) => {
      const text = content(path);
      return text === undefined ? undefined : Buffer.from(text, 'latin1');
    },
    list: (path) => [...(folders.get(real(path) ?? '') ?? [])].sort(),
    link: (path) => {
      const entry = tree[real(path, 'link') ?? ''];
      return typeof entry === 'object' && 'link' in entry ? (entry.link as string) : undefined;
    },
    real,
    during: (look) => look(),
  };
}
