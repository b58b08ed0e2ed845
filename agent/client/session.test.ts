import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { openSession } from './session.ts';

const nobody = { message: () => {}, end: () => {} };
const at = (port: number) => ({ url: new URL(`http://127.0.0.1:${port}`), pins: () => [], clock: Date.now });

async function listen(onConnection: (end: () => void) => void): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    onConnection(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test('a server that is gone when the session is opened is an error at once, not silence for ever', async () => {
  const { port, close } = await listen(() => {});
  close();
  await expect(openSession(at(port), 'token', nobody)).rejects.toMatchObject({
    status: 0,
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('so is one that ends while it is asked', async () => {
  const { port, close } = await listen((end) => end());
  await expect(openSession(at(port), 'token', nobody)).rejects.toMatchObject({ status: 0 });
  close();
});
