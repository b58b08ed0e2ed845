import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { askNameServer, deadNameServers } from './name-servers.ts';

test('a server is there when it answers anything at all', async () => {
  const server = createSocket('udp4');
  // REFUSED (RFC 1035, 4.1.1) to whatever is asked.
  server.on('message', (message, { port, address }) => {
    const reply = Buffer.from(message);
    reply.writeUInt16BE(0x8005, 2);
    server.send(reply, port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  expect(await askNameServer(`127.0.0.1:${port}`)).toBe(true);
  server.close();
  await once(server, 'close');
  expect(await askNameServer(`127.0.0.1:${port}`)).toBe(false);
});

test.each([
  [{}, undefined],
  [{ dns: { servers: { '10.0.0.1': true, '10.0.0.2': true } } }, undefined],
  [{ dns: { servers: { '10.0.0.1': true } } }, 'name server 10.0.0.1 does not answer'],
  [{ dns: { servers: { '10.0.0.1': true, '10.0.0.3': true } } }, 'none of the name servers 10.0.0.1, 10.0.0.3 answers'],
] as const)('%j', async (wanted, problem) => {
  expect(await deadNameServers(wanted, async (server) => server === '10.0.0.2')).toBe(problem);
});
