import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import { filesOf, keptLog } from '../testing.ts';
import { grubAnswers } from './answers.ts';
import { startTftp } from './server.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-tftp-answers-'));
const [root, images] = ['root', 'images'].map((name) => join(directory, name)) as [string, string];
for (const folder of [root, images]) mkdirSync(folder);
const content = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
const sha256 = createHash('sha256').update(content).digest('hex');
const damaged = 'd'.repeat(64);
writeFileSync(join(images, sha256), content);
writeFileSync(join(images, damaged), 'something else');

let chance = 0.5;
let asked: BootRequest[] = [];
let decide: () => Promise<BootAnswer>;
const log = keptLog();
const other = grubAnswers({
  server: '127.0.0.1',
  files: filesOf(images),
  random: () => chance,
  decide: async (request) => {
    asked.push(request);
    return await decide();
  },
  arguments: () => ['machinedb.files=http://127.0.0.1:4281/files'],
  log,
});
const server = await startTftp({ address: '127.0.0.1', port: 0, root, other, log, rackOf: (client) => client });
afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  asked = [];
});

/** What curl gets by TFTP; its exit code when it gets nothing. */
async function get(name: string): Promise<Buffer | number> {
  const out = join(directory, 'out');
  rmSync(out, { force: true });
  const url = `tftp://127.0.0.1:${server.port}/${encodeURIComponent(name)}`;
  try {
    await promisify(execFile)('curl', ['-s', '--max-time', '10', url, '-o', out]);
  } catch (error) {
    return (error as { code: number }).code;
  }
  return readFileSync(out);
}

test('GRUB’s question by TFTP is answered with its configuration', async () => {
  const kernel = 'a'.repeat(64);
  decide = async () => ({
    spec: { kind: 'linux', kernel, initrd: 'b'.repeat(64), arguments: ['quiet'] },
    reason: 'unknown machine: it is looked at',
  });
  const text = await get('boot/grub?mac=52:54:00:4D:01:02&uuid=11111111-2222-3333-4444-555555555555&serial=S 1');
  expect(String(text)).toContain(
    `if linux (tftp,127.0.0.1)/files/${kernel} 'quiet' 'machinedb.files=http://127.0.0.1:4281/files' 'BOOTIF=01-52-54-00-4d-01-02'; then`,
  );
  expect(asked).toEqual([
    {
      mac: '52:54:00:4d:01:02',
      arch: 7,
      uuid: '11111111-2222-3333-4444-555555555555',
      serial: 'S 1',
      address: '127.0.0.1',
    },
  ]);
});

test('each GRUB is told a pause of its own, which it keeps where TFTP is silent', async () => {
  const pause = async (of: number) => {
    chance = of;
    const text = String(await get('/grub/grub.cfg'));
    chance = 0.5;
    return /^ {2}sleep (\d+)$/m.exec(text)?.[1];
  };
  expect([await pause(0), await pause(0.5), await pause(0.999)]).toEqual(['5', '11', '14']);
});

test('an inventory that is away, and a GRUB that does not say who it is, are asked again', async () => {
  decide = async () => {
    throw new Error('database away');
  };
  expect(String(await get('/boot/grub?mac=52:54:00:4d:01:02'))).toBe(
    "echo 'machinedb: the inventory does not answer'\nsleep 10\n",
  );
  expect(String(await get('boot/grub?mac=&uuid='))).toBe(
    "echo 'machinedb: the loader did not tell its MAC address'\nsleep 10\n",
  );
});

test('an image’s file is served by its digest, unless it is damaged or not there', async () => {
  expect(await get(`files/${sha256}`)).toEqual(content);
  // 68: no such file (curl(1)).
  for (const name of [damaged, 'e'.repeat(64), '../root', sha256.toUpperCase()])
    expect(await get(`files/${name}`)).toBe(68);
});
