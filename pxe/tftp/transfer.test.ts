import { ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seeded } from '../testing.ts';
import { contentOf } from './content.ts';
import type { Terms } from './packet.ts';
import { Transfer } from './transfer.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'machinedb-tftp-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const plain: Terms = { blockSize: 8, window: 1, timeoutMs: 5, agreed: {} };

/** A transfer of a file of so many bytes, what it has sent, and whether it is done. */
function begin(size: number, terms: Partial<Terms> = {}, send: (packet: Buffer) => void = () => undefined) {
  const content = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255));
  const path = join(directory, 'file');
  writeFileSync(path, content);
  const fd = openSync(path, 'r+');
  const sent: Buffer[] = [];
  const { promise: done, resolve } = Promise.withResolvers<boolean>();
  const transfer: Transfer = new Transfer({
    file: contentOf({ fd, size }),
    terms: { ...plain, ...terms },
    send: (packet) => {
      sent.push(packet);
      send(packet);
    },
    done: resolve,
  });
  transfer.start();
  return { transfer, sent, done, content, fd };
}

/** Block numbers of data packets. */
const blocks = (sent: Buffer[]) => sent.filter((p) => p[1] === 3).map((p) => p.readUInt16BE(2));

/** Takes a file as RFC 1350 and 7440 have it, over a link that loses and reorders. */
async function receive(size: number, terms: Partial<Terms>, lose: () => boolean, delayMs: () => number) {
  const window = terms.window ?? 1;
  const got: Buffer[] = [];
  let transfer: Transfer;
  const acknowledge = () => {
    const block = got.length & 0xffff;
    if (!lose()) setTimeout(() => transfer.acknowledge(block), delayMs());
  };
  const run = begin(size, terms, (packet) => {
    if (lose()) return;
    setTimeout(() => {
      if (packet[1] === 6) return acknowledge();
      const expected = (got.length + 1) & 0xffff;
      if (packet.readUInt16BE(2) === expected) got.push(packet.subarray(4));
      if (
        packet.readUInt16BE(2) !== expected ||
        got.length % window === 0 ||
        packet.length - 4 < (terms.blockSize ?? 8)
      )
        acknowledge();
    }, delayMs());
  });
  transfer = run.transfer;
  const whole = await run.done;
  return { whole, same: Buffer.concat(got).equals(run.content) };
}

test.each([0, 7, 8, 9, 16])('a file of %i bytes ends with a block that is shorter than the others', async (size) => {
  const { transfer, sent, done } = begin(size);
  for (let block = 1; block <= Math.floor(size / 8) + 1; block++) transfer.acknowledge(block);
  expect(await done).toBe(true);
  expect(sent.map((packet) => packet.length - 4)).toEqual([...Array(Math.floor(size / 8)).fill(8), size % 8]);
});

test('no data flows until the options are acknowledged', () => {
  const { transfer, sent } = begin(20, { agreed: { blksize: 8 }, timeoutMs: 1000 });
  transfer.acknowledge(1);
  expect(sent.map((packet) => packet[1])).toEqual([6]);
  transfer.acknowledge(0);
  expect(sent.map((packet) => packet[1])).toEqual([6, 3]);
  transfer.end(false);
});

test('a window is sent at once, and again from the last block that came in order', () => {
  const { transfer, sent } = begin(80, { window: 4, timeoutMs: 1000 });
  transfer.acknowledge(2);
  expect(blocks(sent)).toEqual([1, 2, 3, 4, 3, 4, 5, 6]);
  transfer.end(false);
});

test('28 29 duplicate acknowledgements, old ones and those ahead send nothing', () => {
  const { transfer, sent } = begin(80, { timeoutMs: 1000 });
  for (const block of [1, 1, 1, 0, 9, 65_535]) transfer.acknowledge(block);
  expect(blocks(sent)).toEqual([1, 2]);
  transfer.end(false);
});

test('30 block numbers roll over in a file of 70,000 blocks', async () => {
  const run = await receive(
    70_000 * 8 + 3,
    { window: 64, timeoutMs: 1000 },
    () => false,
    () => 0,
  );
  expect(run).toEqual({ whole: true, same: true });
});

test('31 a client that never answers is given up after 6 packets', async () => {
  const { sent, done } = begin(80, { agreed: { blksize: 8 } });
  expect(await done).toBe(false);
  expect(sent.length).toBe(6);
});

test('32 a file that becomes shorter ends with an error, not with a block that looks like its end', async () => {
  const { transfer, sent, done, fd } = begin(80, { timeoutMs: 1000 });
  ftruncateSync(fd, 12);
  transfer.acknowledge(1);
  expect(await done).toBe(false);
  expect(sent.at(-1)!.toString('latin1')).toBe('\0\u0005\0\0the file cannot be read\0');
});

test.each([1, 8])('33 a file comes whole over a link that loses 30 % and reorders, window %i', async (window) => {
  const random = seeded(33);
  const lossy = () => random() < 0.3;
  const run = await receive(400 * 8 + 5, { window, agreed: { windowsize: window } }, lossy, () => random() * 3);
  expect(run).toEqual({ whole: true, same: true });
});
