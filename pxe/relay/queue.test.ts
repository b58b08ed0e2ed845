import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { RelaySaid } from '../../shared/api/relay.ts';
import { Queue, QueueFull } from './queue.ts';

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true });
});
function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-queue-'));
  made.push(directory);
  return directory;
}
const said = (body: string): RelaySaid => ({
  ...{ node: '11111111-1111-4111-8111-111111111111', method: 'PUT', path: '/v1/self/observed', signature: 'AA==' },
  body,
});
async function drain(queue: Queue): Promise<string[]> {
  const bodies: string[] = [];
  for (let next = queue.first(); next !== undefined; next = queue.first()) {
    bodies.push(next.body);
    await queue.delivered();
  }
  return bodies;
}

test('what was acknowledged is there after a crash, in its order; half a line at the end was not acknowledged', async () => {
  const directory = folder();
  const queue = await Queue.open(directory, 1e6);
  await Promise.all(['a', 'b', 'c'].map((body) => queue.put(said(body))));
  await queue.put(said('d'));
  await queue.close();
  appendFileSync(join(directory, 'queue.jsonl'), '{"node":"1111');
  const again = await Queue.open(directory, 1e6);
  expect(again.length).toBe(4);
  await again.put(said('e'));
  await again.close();
  const last = await Queue.open(directory, 1e6);
  expect(await drain(last)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect([last.length, statSync(join(directory, 'queue.jsonl')).size]).toEqual([0, 0]);
  await last.put(said('f'));
  expect(await drain(last)).toEqual(['f']);
  await last.close();
});

test('a line that the disk has damaged is lost alone, and the folder is made where there is none', async () => {
  const directory = join(folder(), 'not/yet');
  const queue = await Queue.open(directory, 1e6);
  for (const body of ['a', 'b', 'c']) await queue.put(said(body));
  await queue.close();
  const file = join(directory, 'queue.jsonl');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"body":"b"', '"body:"b"'));
  const again = await Queue.open(directory, 1e6);
  await again.put(said('d'));
  expect(await drain(again)).toEqual(['a', 'c', 'd']);
  await again.close();
});

test('what is being written when it is closed is on the disk', async () => {
  const directory = folder();
  const queue = await Queue.open(directory, 1e6);
  const [put] = [queue.put(said('a')), queue.close()];
  await put;
  const again = await Queue.open(directory, 1e6);
  expect(await drain(again)).toEqual(['a']);
  await again.close();
});

test('what is put while the last is taken away is neither lost nor cut off', async () => {
  const directory = folder();
  const queue = await Queue.open(directory, 1e6);
  for (let i = 0; i < 50; i++) {
    await queue.put(said(`a${i}`));
    const [, put] = [queue.delivered(), queue.put(said(`b${i}`))];
    await put;
    expect(readFileSync(join(directory, 'queue.jsonl'), 'utf8')).toBe(`${JSON.stringify(said(`b${i}`))}\n`);
    await queue.delivered();
  }
  await queue.close();
});

test('104 at its limit it takes nothing more, and says so; what it has stays', async () => {
  const directory = folder();
  const queue = await Queue.open(directory, 400);
  await queue.put(said('a'));
  await queue.put(said('b'));
  await expect(queue.put(said('c'.repeat(300)))).rejects.toThrow('the queue of this relay is full (400 bytes)');
  expect(await drain(queue)).toEqual(['a', 'b']);
  await queue.put(said('d'));
  expect(await drain(queue)).toEqual(['d']);
  await queue.close();
});

test('104 a disk that is full acknowledges nothing, keeps what it has, and takes again when there is room', async () => {
  const directory = folder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'machinedb-queue', directory]);
  onTestFinished(() => void execFileSync('umount', [directory]));
  const queue = await Queue.open(directory, 1e6);
  onTestFinished(() => queue.close());
  await queue.put(said('a'));
  const failure: unknown = await queue.put(said('b'.repeat(20_000))).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(QueueFull);
  expect(String(failure)).toContain('cannot be written: ENOSPC');
  await queue.put(said('c'));
  expect(readFileSync(join(directory, 'queue.jsonl'), 'utf8')).toBe(
    `${JSON.stringify(said('a'))}\n${JSON.stringify(said('c'))}\n`,
  );
  expect(await drain(queue)).toEqual(['a', 'c']);
});
