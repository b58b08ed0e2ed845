import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { memoryInUse } from '../memory-in-use.ts';
import { Peer } from '../testing.ts';
import { startTftp } from './server.ts';

/** Sessions that are open at the same time, and those that ask besides. */
const SESSIONS = 2000;
const TOO_MANY = 500;
/** A socket, an open file, and what is known of the transfer. */
const MOST_PER_SESSION = 16_384;

test(`26 ${SESSIONS} sessions with windows of 94 kB are served in memory that is known beforehand, and more are met by silence`, async () => {
  const root = mkdtempSync(join(tmpdir(), 'machinedb-tftp-'));
  writeFileSync(join(root, 'file'), 'x'.repeat(150_000));
  const log = { info: () => {}, warn: () => {} };
  const server = await startTftp({ address: '127.0.0.1', port: 0, root, most: SESSIONS, rackOf: (ip) => ip, log });
  // Four of each of so many machines: each address is a rack of its own here.
  const clients = await Promise.all(
    Array.from({ length: SESSIONS + TOO_MANY }, (_, i) => Peer.open(`127.0.${1 + (i >> 10)}.${(i >> 2) & 255}`)),
  );
  onTestFinished(async () => {
    for (const client of clients) client.close();
    await server.close();
    rmSync(root, { recursive: true });
  });
  const request = Buffer.from('\0\u0001file\0octet\0blksize\x001468\0windowsize\x0064\0timeout\x0010\0', 'latin1');
  const before = memoryInUse();
  const ask = (from: number, to: number) => {
    for (const client of clients.slice(from, to)) client.send(request, server.port);
  };
  // By hundreds: the kernel's queue of one socket holds a few hundred requests, and a machine would ask again.
  const agreed: { client: Peer; port: number }[] = [];
  for (let i = 0; i < clients.length; i += 100) {
    ask(i, i + 100);
    for (const client of clients.slice(i, i + 100)) {
      const answer = await client.next(i < SESSIONS ? 2000 : 1);
      if (answer?.data[1] === 6) agreed.push({ client, port: answer.port });
    }
  }
  // A machine has fewer sessions than are free: the last one gets less than it asks for.
  expect(agreed.length).toBeGreaterThan(SESSIONS - 4);
  expect(agreed.length).toBeLessThanOrEqual(SESSIONS);
  expect((memoryInUse() - before) / SESSIONS).toBeLessThan(MOST_PER_SESSION);
  // Each gets a whole window. What was sent is in the kernel, and not kept for the case that it is lost: once all is sent,
  // which takes a busy machine some time, there is no more of it.
  for (const { client, port } of agreed) {
    client.socket.removeAllListeners('message');
    client.send(Buffer.from([0, 4, 0, 0]), port);
    await new Promise(setImmediate);
  }
  await expect
    .poll(() => (memoryInUse() - before) / SESSIONS, { timeout: 30_000, interval: 500 })
    .toBeLessThan(MOST_PER_SESSION);
}, 120_000);
