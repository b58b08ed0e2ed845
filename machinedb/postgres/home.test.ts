import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clusterVersion } from './cluster.ts';
import { homeName, openHome, socketDirectory } from './home.ts';

const log = { info: () => undefined, warn: () => undefined };
let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'home-'));
});
afterEach(() => rmSync(state, { recursive: true }));

test('a name is readable, short and differs with the path', () => {
  expect(homeName('/srv/clone/.machinedb')).toBe('srv-clone-machinedb-ed8d562455');
  expect(homeName('/srv/clone/machinedb')).toMatch(/^srv-clone-machinedb-(?!ed8d562455)[0-9a-f]{10}$/);
  expect(homeName(`/${'ä x/'.repeat(60)}`).length).toBeLessThanOrEqual(43);
});

test('a database that was moved away is missed, not replaced by an empty one', () => {
  symlinkSync(join(state, 'elsewhere'), join(state, 'postgres'));
  expect(() => openHome(state, join(state, 'shared'), log)).toThrow(
    new Error(
      `The database that ${join(state, 'postgres')} points to is missing. ` +
        'Bring it back, or remove that link to begin an empty database.',
    ),
  );
});

test.runIf(process.getuid?.() === 0)('a database of root is refused', () => {
  mkdirSync(join(state, 'postgres'));
  expect(() => openHome(state, '/shared', log)).toThrow(
    new Error(
      `The database in ${join(state, 'postgres')} belongs to root, and PostgreSQL does not run as root. ` +
        'Move it below /shared, give it with "chown -R" to the user that is to run it, ' +
        `and make ${join(state, 'postgres')} a symbolic link to it.`,
    ),
  );
});

test('a directory that lost its PG_VERSION is neither used nor overwritten', () => {
  expect(clusterVersion(join(state, 'data'))).toBeUndefined();
  mkdirSync(join(state, 'data'));
  expect(() => clusterVersion(join(state, 'data'))).toThrow(
    new Error(
      `${join(state, 'data')} is not PostgreSQL's: its PG_VERSION cannot be read (ENOENT). ` +
        'Bring its files back, or move it away to begin an empty database.',
    ),
  );
});

test('a socket whose path is too long is put into a private directory, and never into one open to others', () => {
  const account = undefined;
  expect(socketDirectory({ directory: '/short', account }, state)).toBe('/short');
  expect(socketDirectory({ directory: `/${'x'.repeat(92)}`, account }, state)).toBe(`/${'x'.repeat(92)}`);
  const home = { directory: `/${'x'.repeat(93)}`, account };
  const short = socketDirectory(home, state);
  expect(statSync(short).mode & 0o777).toBe(0o700);
  expect(socketDirectory(home, state)).toBe(short);
  chmodSync(short, 0o777);
  expect(() => socketDirectory(home, state)).toThrow(
    new Error(
      `${short}, the directory for PostgreSQL's socket, is not a private directory of user id ${process.getuid?.()}. ` +
        'Remove it, or set MACHINEDB_STATE to a directory with a shorter path.',
    ),
  );
});
