import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ServerError } from './client/http.ts';
import { discoveryDuty } from './discover.ts';
import type { Door } from './duty.ts';
import { MARK_BYTES, markOf } from './install/guard.ts';

const DISK = 32 * 1024 * 1024;
const devices = mkdtempSync(join(tmpdir(), 'machinedb-discover-'));
afterAll(() => rmSync(devices, { recursive: true }));

/** What the discovery does with a disk when no install is asked for: what it tells, and why it ends. */
async function lookAt(pieces: { data: Buffer; at: number }[]): Promise<{ starts_disk: boolean; left: string[] }> {
  const disk = join(devices, 'nvme0n1');
  writeFileSync(disk, '');
  truncateSync(disk, DISK);
  const fd = openSync(disk, 'r+');
  for (const { data, at } of pieces) writeSync(fd, data, 0, data.length, at);
  closeSync(fd);
  const left: string[] = [];
  let told: { starts_disk: boolean } | undefined;
  const door = {
    facts: { sections: { disks: { S1: { name: 'nvme0n1', size_bytes: DISK, transport: 'nvme' } } }, errors: {} },
    send: async ({ path, body }: { path: string; body?: string }) => {
      if (path === '/v1/self/starts-disk') told = JSON.parse(body!) as { starts_disk: boolean };
      return {};
    },
  } as unknown as Door;
  const discovery = { devices, log: () => {}, leave: (why: string) => left.push(why) };
  await discoveryDuty(discovery as unknown as Parameters<typeof discoveryDuty>[0]).work(door);
  return { starts_disk: told!.starts_disk, left };
}

const mark = { data: markOf('11111111-2222-4333-8444-555555555555', 3), at: DISK - MARK_BYTES };
const root = { data: Buffer.from('half a file system'), at: 4 * 1024 * 1024 };
const head = { data: Buffer.from('EFI PART'), at: 512 };

test('a system on the disk is started; an empty disk, and one with half an image, wait for a person', async () => {
  expect(await lookAt([])).toEqual({ starts_disk: false, left: [] });
  expect(await lookAt([root])).toEqual({ starts_disk: true, left: ['disk'] });
  expect(await lookAt([mark, root])).toEqual({ starts_disk: false, left: [] });
  // A whole install leaves the mark where the image does not reach.
  expect(await lookAt([mark, root, head])).toEqual({ starts_disk: true, left: ['disk'] });
});

test('a server that is busy is told again when it says, with some chance', async () => {
  const slept: number[] = [];
  let busy = 2;
  const door = {
    node: 'n1',
    facts: { sections: { disks: {} }, errors: {} },
    trust: { wantedKey: () => undefined },
    signal: new AbortController().signal,
    send: async ({ method }: { method: string }) => {
      if (method === 'GET') return { install: { generation: 1, image: { manifest: { name: 'x' }, key: 'k9' } } };
      if (busy-- > 0) throw new ServerError(503, 'unavailable', 'too much is waiting', 7);
      return { proceed: true };
    },
  } as unknown as Door;
  const sleep = async (ms: number) => void slept.push(ms);
  const discovery = { devices, sleep, random: () => 0.5, log: () => {}, leave: () => {} };
  const work = discoveryDuty(discovery as unknown as Parameters<typeof discoveryDuty>[0]).work(door);
  await expect(work).rejects.toThrow('image x is signed by key k9, which is not trusted');
  // Twice what the server said, and then the pause after an install that failed.
  expect(slept).toEqual([7700, 7700, 10_000]);
});
