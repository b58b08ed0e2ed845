import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** Path → content of a file, or the target of a link. */
export type Tree = Record<string, string | Buffer | { link: string }>;

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
  for (const [path, content] of Object.entries(tree)) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(place, content);
    else symlinkSync(content.link, place);
  }
  return root;
}
