import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sections as schemas } from '../../shared/sections/index.ts';
import { observeEach } from '../facts.ts';
import { openSystem, type System } from '../system.ts';
import { machineFiles, systemOf } from '../testing/machine.ts';
import { damaged, randomFrom } from '../testing/random.ts';
import { makeTree } from '../testing/tree.ts';
import { observe as bmc } from './bmc.ts';
import { observe as cpu } from './cpu.ts';
import { observe as firmware } from './firmware.ts';
import { observe as memory } from './memory.ts';
import { observe as numa } from './numa.ts';
import { observe as os } from './os.ts';
import { observe as system } from './system.ts';
import { observe as tpm } from './tpm.ts';

const table = { system, cpu, numa, memory, firmware, bmc, tpm, os };

/** Observes; every section that is there must be as its schema says, and small. */
function look(machine: System, name: string) {
  const { sections, errors } = observeEach(table, machine);
  for (const [section, value] of Object.entries(sections)) {
    const judged = schemas[section as keyof typeof table].observed.safeParse(value);
    expect(judged.error?.issues, `${name}: ${section}`).toBeUndefined();
    expect(JSON.stringify(value).length, `${name}: ${section}`).toBeLessThan(500_000);
  }
  return { sections, errors };
}

const files = machineFiles();
const whole = look(systemOf(files), 'whole');

test('a whole machine has every section and no errors', () => {
  expect(whole.errors).toEqual({});
  expect(Object.keys(whole.sections)).toEqual(Object.keys(table));
});

const kinds: [kind: string, content: Buffer | undefined][] = [
  ['missing', undefined],
  ['empty', Buffer.alloc(0)],
  ['zeros', Buffer.alloc(4096)],
  ['garbage', Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7919 + (index >> 3)) & 255))],
  ['not UTF-8', Buffer.from('\xff\xfe\xc3\x28 \xa0\xa1\n'.repeat(20), 'latin1')],
  ['a long line', Buffer.alloc(1024 * 1024, 'a')],
  ['long lists', Buffer.alloc(1024 * 1024, '0-9,')],
  ['lines', Buffer.alloc(1024 * 1024, 'processor : 1\nA= x\nflags: lm\n')],
  ['10 MB long', Buffer.alloc(10 * 1024 * 1024, 'A= ')],
];

test.each(kinds)(
  'each file %s in turn: its fields are absent, and no other section knows of it',
  (kind, content) => {
    for (const path of Object.keys(files)) {
      const changed = { ...files };
      if (content === undefined) delete changed[path];
      else changed[path] = content;
      const began = performance.now();
      const { sections, errors } = look(systemOf(changed), `${path} ${kind}`);
      expect(performance.now() - began, `${path} ${kind}`).toBeLessThan(20_000);
      // Files of our own making are JSON or an error.
      if (!path.startsWith('/run/')) expect(errors, `${path} ${kind}`).toEqual({});
      else for (const message of Object.values(errors)) expect(message).toContain(path);
      const users = Object.keys(table).filter(
        (name) => JSON.stringify(sections[name]) !== JSON.stringify(whole.sections[name]),
      );
      const others = path.includes('/dmi/') || path === '/proc/cpuinfo' ? 5 : 2;
      expect(users.length, `${path} ${kind}: ${users}`).toBeLessThanOrEqual(others);
    }
  },
  120_000,
);

test('each file a FIFO, a folder or too large in turn: never blocked; what is refused is named by its section', () => {
  const root = makeTree(files);
  const machine = openSystem(root);
  for (const [index, path] of Object.keys(files).entries()) {
    rmSync(root + path);
    execFileSync('mkfifo', [root + path]);
    for (const message of Object.values(look(machine, path).errors))
      expect(message).toBe(`${path} is not a regular file: it was not read`);
    rmSync(root + path);
    // Each takes a while to be found too large.
    if (index % 8 === 0) {
      writeFileSync(root + path, '');
      truncateSync(root + path, 17 << 20);
      for (const message of Object.values(look(machine, path).errors))
        expect(message).toBe(`${path} is larger than 16777216 bytes: it was not read`);
      rmSync(root + path);
    }
    mkdirSync(root + path);
    expect(look(machine, path).errors).toEqual({});
    rmSync(root + path, { recursive: true });
    writeFileSync(root + path, files[path]!);
  }
  expect(look(machine, 'at the end')).toEqual(whole);
}, 120_000);

test('3,000 machines with damaged files: every section is as its schema says, or an error that names a file', () => {
  const random = randomFrom(6);
  const paths = Object.keys(files);
  const smbios = paths.filter((path) => path.includes('/dmi/tables/'));
  for (let round = 0; round < 3000; round++) {
    const changed = { ...files };
    const chosen = round % 2 === 0 ? smbios : paths;
    for (let count = 1 + random() * 3; count > 0; count--) {
      const path = chosen[Math.floor(random() * chosen.length)]!;
      changed[path] = damaged(changed[path]!, random);
    }
    const { errors } = look(systemOf(changed), `round ${round}`);
    for (const message of Object.values(errors)) expect(message).toMatch(/^\/run\/machinedb\/tpm\.json /);
  }
}, 120_000);
