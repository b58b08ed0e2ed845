import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import type { RelayNode } from '../../shared/api/relay.ts';
import { MOST_BODY } from '../../shared/relay-frame.ts';
import type { AwayAnswers } from './away.ts';
import { type DoorsOptions, openDoors } from './doors.ts';
import type { Link, SessionEvents } from './link.ts';

function certificate(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-doors-'));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const words = ['req', '-x509', ...curve, '-subj', '/CN=machinedb', '-days', '1', '-keyout', key, '-out', cert];
  execFileSync('openssl', words, { stdio: 'ignore' });
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(directory, { recursive: true });
  return pair;
}

/** A centre that is asked for sessions and has not answered yet. */
class SlowLink {
  readonly asked: SessionEvents[] = [];
  readonly closed: number[] = [];
  #waiting = Promise.withResolvers<void>();

  open(_: unknown, events: SessionEvents): { send: () => void; close: () => void } {
    const index = this.asked.push(events) - 1;
    this.#waiting.resolve();
    return { send: () => undefined, close: () => void this.closed.push(index) };
  }

  async next(): Promise<void> {
    await this.#waiting.promise;
    this.#waiting = Promise.withResolvers();
  }
}

/** Doors of a relay whose centre is away, unless it is said otherwise. */
async function open(more: Partial<DoorsOptions>) {
  const doors = await openDoors({
    ...{ host: '127.0.0.1', port: 0, tls: certificate(), link: {} as Link, away: {} as AwayAnswers },
    ...{ here: () => false, refused: () => false, passed: () => undefined, log: { warn: () => undefined } },
    ...more,
  });
  onTestFinished(doors.close);
  return doors;
}

test('a node that loses power while it waits for its session ends its session, and nothing else', async () => {
  const link = new SlowLink();
  const doors = await open({ link: link as unknown as Link, here: () => true });
  const ask = async () => {
    const raw = net.connect(doors.port, '127.0.0.1');
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write(
      'GET /v1/self/session HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await link.next();
    return { raw, socket };
  };
  const { raw } = await ask();
  // An error that nobody listens to would end the relay, and with it the sessions of the whole rack.
  raw.resetAndDestroy();
  await expect.poll(() => link.closed).toEqual([0]);
  link.asked[0]!.opened();
  const { socket } = await ask();
  link.asked[1]!.opened();
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(String(answer)).toMatch(/^HTTP\/1\.1 101 /);
  socket.destroy();
});

test('a session ends with its pass while the centre is away: a node that lost power would keep it for ever', async () => {
  let held = true;
  const away = {
    holder: (header?: string) => (held && header === 'Bearer p' ? ({} as RelayNode) : undefined),
    beat: async () => ({ next_in_ms: 1 }),
  } as unknown as AwayAnswers;
  const { port } = await open({ away, checkMs: 20 });
  const begin = (pass: string) =>
    new WebSocket(`wss://127.0.0.1:${port}/v1/self/session`, {
      ...{ rejectUnauthorized: false, headers: { authorization: `Bearer ${pass}` } },
    });
  const [refusal] = (await once(begin('other'), 'error')) as [Error];
  expect(refusal.message).toBe('Unexpected server response: 401');
  const session = begin('p');
  await once(session, 'open');
  const closed = once(session, 'close');
  session.send('{}');
  const [answer] = (await once(session, 'message')) as [Buffer];
  expect(String(answer)).toBe('{"next_in_ms":1}');
  held = false;
  const [code, reason] = (await closed) as [number, Buffer];
  expect([code, String(reason)]).toEqual([1008, 'the token is no longer valid']);
});

test('72 a body that is too large is told so, and nothing else than what agents ask is here', async () => {
  const { port } = await open({});
  const ask = async (method: string, path: string, body?: Buffer) => {
    const request = https.request({ port, method, path, rejectUnauthorized: false, agent: false });
    // What it still sends when it has its answer is nobody's.
    request.on('error', () => undefined);
    request.end(body);
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece as Buffer);
    return [response.statusCode, (JSON.parse(String(Buffer.concat(pieces))) as { detail: string }).detail];
  };
  expect(await ask('PUT', '/v1/self/observed', Buffer.alloc(MOST_BODY + 1))).toEqual([
    413,
    `the body is larger than ${MOST_BODY} bytes`,
  ]);
  expect(await ask('GET', '/v1/nodes')).toEqual([404, 'there is no GET /v1/nodes here']);
  expect(await ask('DELETE', '/v1/self/observed')).toEqual([404, 'there is no DELETE /v1/self/observed here']);
  expect(await ask('GET', '/v1/self/session')).toEqual([404, 'there is no GET /v1/self/session here']);
});
