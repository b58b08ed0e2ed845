import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { modeOf, readText, writeFile } from './files.ts';

const KEYS = '/home/ann/.ssh/authorized_keys';
const ANN = 1234;

let root: string;
const at = (path: string) => join(root, path);
const ownerOf = (path: string) => lstatSync(at(path)).uid;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-files-'));
  mkdirSync(at('/home/ann'), { recursive: true });
  chownSync(at('/home/ann'), ANN, ANN);
  mkdirSync(at('/etc'));
  writeFileSync(at('/etc/shadow'), 'secret\n', { mode: 0o600 });
});
afterEach(() => rmSync(root, { recursive: true }));

/** A link as the user ann makes it. */
function linkOfAnn(target: string, path: string): void {
  symlinkSync(target, at(path));
  lchownSync(at(path), ANN, ANN);
}

function homeOfAnn(): void {
  mkdirSync(at('/home/ann/.ssh'));
  chownSync(at('/home/ann/.ssh'), ANN, ANN);
}

test('a new file and its folder belong to the owner of the folder that is there', () => {
  writeFile(root, KEYS, 'key\n', 0o600);
  expect(readText(root, KEYS)).toBe('key\n');
  expect([ownerOf('/home/ann/.ssh'), ownerOf(KEYS)]).toEqual([ANN, ANN]);
  expect([statSync(at('/home/ann/.ssh')).mode & 0o777, modeOf(root, KEYS)]).toEqual([0o700, 0o600]);
  expect(readdirSync(at('/home/ann/.ssh'))).toEqual(['authorized_keys']);
});

test('folders and files have their mode whatever the umask is', () => {
  const before = process.umask(0o077);
  try {
    writeFile(root, '/etc/apt/keyrings/machinedb-base.asc', 'KEY\n', 0o644);
  } finally {
    process.umask(before);
  }
  const modes = ['/etc/apt', '/etc/apt/keyrings', '/etc/apt/keyrings/machinedb-base.asc'];
  expect(modes.map((path) => statSync(at(path)).mode & 0o777)).toEqual([0o755, 0o755, 0o644]);
});

test('a file that is there keeps its owner', () => {
  homeOfAnn();
  writeFileSync(at(KEYS), 'old\n');
  writeFile(root, KEYS, 'new\n', 0o600);
  expect([ownerOf(KEYS), readFileSync(at(KEYS), 'utf8')]).toEqual([0, 'new\n']);
});

test('what is absent is undefined, and removing it is nothing', () => {
  expect([
    readText(root, '/none/file'),
    modeOf(root, '/none/file'),
    readText(root, '/etc/none'),
    modeOf(root, '/etc/none'),
  ]).toEqual([undefined, undefined, undefined, undefined]);
  writeFile(root, '/none/file', undefined, 0o644);
  expect(existsSync(at('/none'))).toBe(false);
});

test('removing a file removes the draft of a write that was cut off', () => {
  writeFileSync(at('/etc/base.sources'), 'x');
  writeFileSync(at('/etc/base.sources.new'), 'x');
  writeFile(root, '/etc/base.sources', undefined, 0o644);
  expect(readdirSync(at('/etc'))).toEqual(['shadow']);
});

test("18 a user's link in place of a file is neither read nor written through", () => {
  homeOfAnn();
  linkOfAnn('/etc/shadow', KEYS);
  const reason = `${KEYS} is a symbolic link, which is not followed: make it a file, or remove it`;
  expect(() => readText(root, KEYS)).toThrow(reason);
  expect(() => writeFile(root, KEYS, 'key\n', 0o600)).toThrow(reason);
});

test("18 a user's link in place of a draft is replaced, not written through", () => {
  homeOfAnn();
  linkOfAnn(at('/etc/shadow'), `${KEYS}.new`);
  writeFile(root, KEYS, 'key\n', 0o600);
  expect(readFileSync(at('/etc/shadow'), 'utf8')).toBe('secret\n');
  expect([ownerOf('/etc/shadow'), modeOf(root, '/etc/shadow')]).toEqual([0, 0o600]);
  expect(readFileSync(at(KEYS), 'utf8')).toBe('key\n');
});

test("18 a user's link in place of a folder is not followed", () => {
  linkOfAnn('/etc', '/home/ann/.ssh');
  const reason = `${KEYS}: ".ssh" is a symbolic link that is not root's, which is not followed: remove it`;
  expect(() => writeFile(root, KEYS, 'key\n', 0o600)).toThrow(reason);
  expect(readdirSync(at('/etc'))).toEqual(['shadow']);
});

test("18 root's link in a folder that others may write is not followed", () => {
  chmodSync(at('/home'), 0o777);
  symlinkSync('/etc', at('/home/eve'));
  expect(() => readText(root, '/home/eve/shadow')).toThrow('"eve" is a symbolic link that is not root\'s');
});

test("root's own links to folders are followed, and stay below the root", () => {
  mkdirSync(at('/disk/bob'), { recursive: true });
  chownSync(at('/disk/bob'), ANN, ANN);
  symlinkSync('../disk/bob', at('/home/bob'));
  symlinkSync('/disk', at('/srv'));
  writeFile(root, '/home/bob/file', 'bob\n', 0o644);
  expect(readText(root, '/srv/bob/file')).toBe('bob\n');
});

test('links that go round are refused', () => {
  symlinkSync('/b', at('/a'));
  symlinkSync('/a', at('/b'));
  expect(() => readText(root, '/a/file')).toThrow('/a/file has too many symbolic links');
});

test('a pipe does not make the agent wait, and a file without end is not read', () => {
  homeOfAnn();
  spawnSync('mkfifo', [at(KEYS)]);
  expect(() => readText(root, KEYS)).toThrow(`${KEYS} is not a regular file: move it away`);
  rmSync(at(KEYS));
  writeFileSync(at(KEYS), '');
  truncateSync(at(KEYS), 2 ** 40);
  expect(() => readText(root, KEYS)).toThrow(
    `${KEYS} has 1099511627776 bytes, more than 4194304: it is no configuration, move it away`,
  );
});
