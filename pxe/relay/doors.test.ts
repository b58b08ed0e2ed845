import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import type { AwayAnswers } from './away.ts';
import { openDoors } from './doors.ts';
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

test('a node that loses power while it waits for its session ends its session, and nothing else', async () => {
  const link = new SlowLink();
  const doors = await openDoors({
    ...{ host: '127.0.0.1', port: 0, tls: certificate() },
    ...{ link: link as unknown as Link, away: {} as AwayAnswers },
    ...{ here: () => true, refused: () => false, passed: () => undefined, log: { warn: () => undefined } },
  });
  onTestFinished(doors.close);
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
