import { posix } from 'node:path';
import type { System } from '../system.ts';

/**
 * Paths that a pattern of glob(7) stands for, in lexical order, as Include of sshd(8) and chronyd(8) reads them: wildcards in
 * the last component only, and a path without any is itself.
 *
 * @param folder what a relative pattern is relative to
 */
export function glob(system: System, folder: string, pattern: string): string[] {
  const path = posix.resolve(folder, pattern);
  const [parent, file] = [posix.dirname(path), posix.basename(path)];
  if (!/[*?[]/.test(file)) return [path];
  return system
    .list(parent)
    .filter((name) => posix.matchesGlob(name, file) && (file.startsWith('.') || !name.startsWith('.')))
    .map((name) => `${parent}/${name}`);
}
