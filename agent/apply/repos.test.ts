import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import { run } from '../command.ts';
import { writeFile } from './files.ts';
import { checkRepos, planRepos } from './repos.ts';

type Repository = NonNullable<ReposIntended['apt']>[string];

const FOLDER = '/etc/apt/sources.list.d';
const debian = {
  uris: { 'http://deb.example.org/debian': true },
  suites: { bookworm: true },
  components: { main: true },
} satisfies Repository;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-repos-'));
  mkdirSync(join(root, FOLDER), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

function apply(apt: Record<string, Repository>): string[] {
  const changes = planRepos(root, { apt }, {});
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  return changes.map(({ path }) => path);
}

/** The real apt-get, made to read the sources below the root. */
const check = () =>
  checkRepos(
    (command, args) =>
      run(
        command,
        args.map((arg) => arg.replace(FOLDER, join(root, FOLDER))),
      ),
    root,
  );

test('APT reads what is written, whatever is wrong in the sources of others', () => {
  apply({ base: { ...debian, types: { deb: true, 'deb-src': true }, enabled: false }, flat: { ...debian } });
  writeFileSync(join(root, FOLDER, 'theirs.sources'), 'Types: nonsense\n');
  check();
});

test.each([
  ['a suite without components', { ...debian, components: {} }, '(Component)'],
  ['a path with components', { ...debian, suites: { './': true } }, '(absolute Suite Component)'],
] as const)('%s is refused by APT, by name', (_, repository, reason) => {
  apply({ good: debian, wrong: repository });
  expect(check).toThrow(`E: Malformed entry 1 in sources file ${root}${FOLDER}/wrong.sources ${reason}`);
});

test("a link among the sources is somebody else's", () => {
  apply({ base: debian });
  symlinkSync('base.sources', join(root, FOLDER, 'link.sources'));
  expect(apply({})).toEqual([`${FOLDER}/base.sources`]);
  expect(existsSync(join(root, FOLDER, 'base.sources'))).toBe(false);
});
