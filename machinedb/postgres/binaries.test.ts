import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { choose, inspect, machineDirectories } from './binaries.ts';
import { bundleBinaries } from './bundled.ts';

const machine15 = { version: 15, bin: '/usr/lib/postgresql/15/bin' };
const machine13 = { version: 13, bin: '/usr/lib/postgresql/13/bin' };
const bare17 = { version: 17, bin: '/usr/bin', lacks: 'btree_gist' };
const bundled = bundleBinaries({ directory: '/clone/bundle', release: '18.4.0-beta.17' });
const data = '/state/postgres/data';

test("a new database takes the machine's PostgreSQL where it will do, else npm's", () => {
  expect(choose([machine15, machine13], bundled, undefined)).toBe(machine15);
  expect(choose([bare17, machine13], bundled, undefined)).toBe(bundled);
});

test('existing data decides by its version', () => {
  expect(choose([machine15], bundled, { directory: data, version: '18' })).toBe(bundled);
  expect(choose([{ version: 16, bin: '/b' }, machine15], bundled, { directory: data, version: '15' })).toBe(machine15);
});

test('data of a version that is not there is refused with the way out', () => {
  expect(() => choose([machine15], bundled, { directory: data, version: '16' })).toThrow(
    new Error(
      'The database in /state/postgres/data was made by PostgreSQL 16, which was not found ' +
        '(found: 15 in /usr/lib/postgresql/15/bin, 18 in /clone/bundle/native/bin). ' +
        'Install it (Debian: apt-get install postgresql-16), ' +
        'or run that version elsewhere on this data and set DATABASE_URL, ' +
        'or set MACHINEDB_STATE to another directory to begin an empty database.',
    ),
  );
});

test('no PostgreSQL that will do is refused with what there is', () => {
  expect(() => choose([bare17, machine13], undefined, undefined)).toThrow(
    new Error(
      'No PostgreSQL 15 or newer was found ' +
        '(found: 17 in /usr/bin without the extension btree_gist, 13 in /usr/lib/postgresql/13/bin). ' +
        'Install it (Debian: apt-get install postgresql), run "npm ci", or set DATABASE_URL to a server elsewhere.',
    ),
  );
});

test('directories are found once each, through links, and only where PostgreSQL is', async () => {
  const root = mkdtempSync(join(tmpdir(), 'binaries-'));
  try {
    const [debian, rpm] = [join(root, 'usr/lib/postgresql/16/bin'), join(root, 'usr/pgsql-17/bin')];
    for (const [bin, version] of [
      [debian, 16],
      [rpm, 17],
    ] as const) {
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'postgres'), `#!/bin/sh\necho "postgres (PostgreSQL) ${version}.1 (Vendor)"\n`, {
        mode: 0o755,
      });
      writeFileSync(join(bin, 'initdb'), '');
    }
    mkdirSync(join(root, 'bin'));
    symlinkSync(join(debian, 'postgres'), join(root, 'bin/postgres'));
    expect(machineDirectories(`${root}/bin:relative:/nowhere`, root)).toEqual([debian, rpm]);
    mkdirSync(join(rpm, '../share/extension'), { recursive: true });
    writeFileSync(join(rpm, '../share/extension/btree_gist.control'), '');
    rmSync(join(debian, 'postgres'));
    expect(await inspect([debian, rpm, '/nowhere'], undefined)).toEqual([{ version: 17, bin: rpm }]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
