import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runAgent } from './run.ts';
import { openSystem } from './system.ts';
import { makeTree } from './testing/tree.ts';

const RETRY_AFTER_S = 2;
const trust = { pins: [], wanted_keys: [] };
const node = '11111111-2222-4333-8444-555555555555';
const replies: Record<string, object> = {
  '/v1/nonce': { nonce: 'n' },
  '/v1/enrol': { node, status: 'approved', fingerprint: 'f' },
  '/v1/token': { access_token: 't', expires_in: 3600, trust },
  '/v1/self': { hashes: {}, level: 'approved' },
  '/v1/self/observed': { hashes: {}, rejected: {} },
};

/**
 * When an agent asked for `path`, milliseconds since it started, of a server that says each time that it is busy, and answers all
 * else.
 */
async function askedFor(path: string, times: number): Promise<number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-busy-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const asked: number[] = [];
  const enough = new AbortController();
  const started = performance.now();
  const note = (request: IncomingMessage) => {
    if (request.url !== path) return false;
    asked.push(performance.now() - started);
    if (asked.length === times) setTimeout(() => enough.abort(), 100);
    return true;
  };
  const server = createServer((request, response) => {
    if (note(request)) return void response.writeHead(503, { 'retry-after': String(RETRY_AFTER_S) }).end('{}');
    response.end(JSON.stringify(replies[request.url!]));
  });
  server.on('upgrade', (request, socket) => {
    note(request);
    socket.end(`HTTP/1.1 503 Busy\r\nretry-after: ${RETRY_AFTER_S}\r\ncontent-length: 0\r\n\r\n`);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  await runAgent({
    system: openSystem(makeTree({ '/etc/none': '' })),
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    pins: [],
    directory,
    clock: Date.now,
    // Without Retry-After it would ask again at once.
    random: () => 0.01,
    firstBeatMs: 0,
    observeMs: 60_000,
    bootId: 'b',
    firstSeq: 0,
    log: () => {},
    signal: enough.signal,
  });
  return asked;
}

test.each(['/v1/nonce', '/v1/enrol', '/v1/self/session'])(
  'a server that is busy at %s is asked again when it says, not before',
  async (path) => {
    const asked = await askedFor(path, 3);
    expect(asked).toHaveLength(3);
    for (let i = 1; i < asked.length; i++)
      expect(asked[i]! - asked[i - 1]!).toBeGreaterThanOrEqual(RETRY_AFTER_S * 1000);
  },
);
