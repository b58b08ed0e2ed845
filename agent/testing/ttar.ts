import type { Tree } from './tree.ts';

/**
 * Reads a ttar archive, the plain-text tar of Prometheus' node_exporter: `Path: P`, then `SymlinkTo: T`, or `Lines: N`
 * and N lines, in which NULLBYTE stands for a NUL and EOF for "no newline at the end".
 */
export function readTtar(archive: string): Tree {
  const lines = archive.split('\n');
  const tree: Tree = {};
  for (let at = 0; at < lines.length; at++) {
    const path = /^Path: (.+)$/.exec(lines[at] ?? '')?.[1];
    if (path === undefined) continue;
    const next = lines[at + 1] ?? '';
    const link = /^SymlinkTo: (.+)$/.exec(next)?.[1];
    const count = Number(/^Lines: (\d+)$/.exec(next)?.[1] ?? 0);
    const text = lines.slice(at + 2, at + 2 + count).map((line) => `${line}\n`);
    tree[path] =
      link === undefined
        ? text
            .join('')
            .replace(/EOF\n$/, '')
            .replaceAll('NULLBYTE', '\0')
        : { link };
    at += 1 + count;
  }
  return tree;
}
