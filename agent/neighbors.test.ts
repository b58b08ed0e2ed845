import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asked } from '../shared/sections/lldp.fixture.ts';
import { askedNeighbors, askNeighbors } from './neighbors.ts';
import { LLDP_NEIGHBORS, openSystem } from './system.ts';
import { answer } from './testing/lldp.ts';
import { makeTree } from './testing/tree.ts';

let home = '';
const servers: Server[] = [];
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'neighbors-'));
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(home, { recursive: true });
});

/** A socket where somebody answers as told. */
async function listening(serve: (connection: Socket, question: string) => void): Promise<string> {
  const socket = join(home, `${servers.length}`);
  const server = createServer((connection) => {
    connection.on('data', (part) => serve(connection, part.toString()));
    connection.on('error', () => {});
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return socket;
}

const ask = async (socket: string) => await askNeighbors(openSystem(), { socket, timeoutMs: 300 });

test('the answer comes in pieces, and is read as a file', async () => {
  const questions: string[] = [];
  const socket = await listening((connection, question) => {
    questions.push(question);
    connection.write(answer.slice(0, 100));
    setTimeout(() => connection.write(`${answer.slice(100)}\0`), 20);
  });
  const system = await ask(socket);
  expect(questions).toEqual(['{"method":"io.systemd.Network.GetLLDPNeighbors","parameters":{}}\0']);
  expect(system.read(LLDP_NEIGHBORS)).toBe(answer);
  expect(system.read('/proc/sys/kernel/ostype')).toBe('Linux');
  const told = Object.values(asked).reverse();
  expect(askedNeighbors(system)).toEqual(new Map([['v0', told]]));
});

test('where nobody listens there is no such file', async () => {
  expect((await ask(join(home, 'none'))).read(LLDP_NEIGHBORS)).toBeUndefined();
});

test('a captured machine is not asked', async () => {
  const socket = await listening((connection) => connection.write(`${answer}\0`));
  const system = openSystem(makeTree({ '/etc/none': '' }));
  expect(await askNeighbors(system, { socket })).toBe(system);
});

test('no answer, half of one, or one without an end is told when it is read', async () => {
  const failing = async (serve: (connection: Socket) => void) => {
    const socket = await listening(serve);
    const system = await ask(socket);
    return [socket, () => system.read(LLDP_NEIGHBORS)] as const;
  };
  const [silent, readSilent] = await failing(() => {});
  expect(readSilent).toThrow(
    `systemd-networkd does not tell its LLDP neighbours at ${silent}: no answer within 300 ms`,
  );
  const [, readHalf] = await failing((connection) => connection.end('{"parameters":'));
  expect(readHalf).toThrow('the connection ended before an answer');
  const [, readEndless] = await failing((connection) => connection.write(Buffer.alloc(5 * 1024 * 1024, 'x')));
  expect(readEndless).toThrow('an answer longer than 4194304 bytes');
});
