import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Path → content of a file, or the target of a link. */
export type Tree = Record<string, string | Buffer | { link: string }>;

/** Writes a tree of files below a folder. */
export function unrollTree(root: string, tree: Tree): void {
  for (const [path, content] of Object.entries(tree)) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(place, content);
    else symlinkSync(content.link, place);
  }
}
