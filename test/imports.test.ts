import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

/** Who may import whom: programs import shared; machinedb may start pxe; siblings never import each other. */
const allowed: Record<string, string[]> = {
  shared: [],
  agent: ['shared'],
  pxe: ['shared'],
  images: ['shared'],
  machinedb: ['shared', 'pxe'],
};

const root = join(import.meta.dirname, '..');

test('a program imports only itself and what the house allows it', () => {
  const broken: string[] = [];
  for (const [program, others] of Object.entries(allowed)) {
    for (const file of globSync(`${program}/**/*.ts`, { cwd: root })) {
      for (const [, target] of readFileSync(join(root, file), 'utf8').matchAll(
        /(?:from|import)\s*\(?\s*'(\.[^']+)'/g,
      )) {
        const room = relative(root, join(root, dirname(file), target!)).split('/')[0]!;
        if (room !== program && !others.includes(room)) broken.push(`${file} imports ${target}`);
      }
    }
  }
  expect(broken).toEqual([]);
});

test('shared opens nothing: no files, no sockets, no processes', () => {
  const broken = globSync('shared/**/*.ts', { cwd: root })
    .filter((file) => !file.endsWith('.test.ts'))
    .filter((file) =>
      /from 'node:(?!crypto)[a-z_/]+'/.test(readFileSync(join(root, file), 'utf8').replaceAll(/import type .*/g, '')),
    );
  expect(broken).toEqual([]);
});
