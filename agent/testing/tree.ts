import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Tree, unrollTree } from './unroll.ts';

export type { Tree };

const made: string[] = [];
// vitest ends its workers without their 'exit' event.
afterAll(() => {
  for (const root of made) rmSync(root, { recursive: true, force: true });
});

/**
 * Makes a machine's tree of files.
 * @returns its root; removed when the tests end
 */
export function makeTree(tree: Tree): string {
  const root = mkdtempSync(join(tmpdir(), 'machinedb-tree-'));
  made.push(root);
  unrollTree(root, tree);
  return root;
}
