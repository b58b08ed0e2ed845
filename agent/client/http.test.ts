import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { send } from './http.ts';

test('a server that takes the request and says nothing is given up after the time allowed', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const silent = { url, pins: () => [], clock: Date.now, timeoutMs: 200 };
  await expect(send(silent, { method: 'GET', path: '/v1/trust' })).rejects.toMatchObject({
    status: 0,
    message: expect.stringContaining('no answer within 0.2 s'),
  });
  server.close();
});
