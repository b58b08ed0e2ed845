import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../program.ts';

/**
 * The state of this repository that the running release is upgraded from, until there are tags: the last commit before several
 * daemons, places and liveness were worked on.
 */
export const PREVIOUS = 'c2c48ddc1d0c806b5419aac1df9f4844dfc47430';

/** Whether this clone has it: one that was made with little history does not. */
export function hasPrevious(): boolean {
  return spawnSync('git', ['cat-file', '-e', `${PREVIOUS}^{commit}`], { cwd: root }).status === 0;
}

/** Lays the previous release's programs out in a new directory, with this one's dependencies. */
export function layPrevious(directory: string): string {
  const tree = join(directory, 'previous');
  mkdirSync(tree);
  const archive = execFileSync('git', ['archive', PREVIOUS, 'machinedb', 'agent', 'shared', 'pxe', 'package.json'], {
    cwd: root,
    maxBuffer: 256 * 1024 * 1024,
  });
  execFileSync('tar', ['-x', '-C', tree], { input: archive });
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}
