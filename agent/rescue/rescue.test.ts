import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ServerError } from '../client/http.ts';
import { newIdentity } from '../client/identity.ts';
import type { TrustStore } from '../client/trust-store.ts';
import { type Order, openRescueDoor } from './door.ts';
import { runRescue } from './rescue.ts';

const ann: Order = { operator: 'ann', public_key: 'ssh-ed25519 AAAA', seconds_left: 60 };

/** A rescue in virtual time: what the server answers, one after the other, and what came of it. */
async function rescue(answers: (Order | Error)[], startFails = 0) {
  const said: string[] = [];
  let time = 0;
  let failures = startFails;
  await runRescue({
    door: {
      fetch: async () => {
        const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
        if (answer instanceof Error) throw answer;
        return answer;
      },
      certify: async () => '',
    },
    start: async ({ public_key }) => {
      if (failures-- > 0) throw new Error('sshd does not start');
      said.push(`${time} starts for ${public_key}`);
      return { fingerprint: 'SHA256:h', address: '10.0.0.5', stop: async () => void said.push(`${time} ends`) };
    },
    elapsed: () => time,
    sleep: async (ms) => {
      time += ms;
    },
    log: (message) => said.push(`${time} ${message}`),
    signal: AbortSignal.timeout(10_000),
  });
  return said;
}
const welcome = 'ann may log in for 1 min: ssh root@10.0.0.5 (host key SHA256:h)';
const over = new ServerError(403, 'forbidden', 'the rescue is over');
const away = new ServerError(0, '', 'no route');

test('the SSH server ends when the server says so', async () => {
  expect(await rescue([ann, ann, over])).toEqual([
    ...['0 starts for ssh-ed25519 AAAA', `0 ${welcome}`, '10000 ends', '10000 the rescue is over'],
  ]);
});

test('with the server away it ends when its time is over, told once why nobody answers', async () => {
  expect(await rescue([ann, away])).toEqual([
    ...['0 starts for ssh-ed25519 AAAA', `0 ${welcome}`, '5000 no route', '60000 ends', '60000 the rescue is over'],
  ]);
});

test('another key takes the place of the first, and a start that fails is tried again', async () => {
  const bob = { ...ann, operator: 'bob', public_key: 'ssh-ed25519 BBBB' };
  expect((await rescue([ann, bob, over])).filter((line) => /starts|ends/.test(line))).toEqual([
    ...['0 starts for ssh-ed25519 AAAA', '5000 ends', '5000 starts for ssh-ed25519 BBBB', '10000 ends'],
  ]);
  expect((await rescue([ann, ann, over], 1)).slice(0, 2)).toEqual([
    ...['0 sshd does not start', '5000 starts for ssh-ed25519 AAAA'],
  ]);
});

test('a machine that nobody knows is not started again and again: it waits', async () => {
  const conflict = new ServerError(409, 'conflict', 'of no node');
  expect(await rescue([conflict, conflict, conflict, over])).toEqual(['0 of no node', '15000 the rescue is over']);
});

test('the door claims for the rescue, and claims again when the server has forgotten its token', async () => {
  const asked: string[] = [];
  let tokens = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      const claim = request.url === '/v1/enrol' ? ` ${(JSON.parse(text) as { rescue: boolean }).rescue}` : '';
      asked.push(`${request.url}${claim}`);
      const stale = request.url === '/v1/self/rescue' && request.headers.authorization === 'Bearer t1';
      if (request.url === '/v1/token') tokens += 1;
      const replies: Record<string, object> = {
        '/v1/nonce': { nonce: 'n' },
        '/v1/enrol': { node: '5f0c7f6e-6f83-4cf4-a8a5-7dbbfd5b9a52' },
        '/v1/token': { access_token: `t${tokens}`, expires_in: 600, trust: {} },
        '/v1/self/rescue': ann,
        '/v1/self/rescue/host-key': { certificate: 'c' },
      };
      response.writeHead(stale ? 401 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(replies[request.url!]));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const claim = { hardware: {}, bootId: 'b1', trust: { learn: () => undefined } as unknown as TrustStore };
    const door = openRescueDoor({ url, pins: () => [], clock: Date.now }, newIdentity(), claim);
    expect(await door.fetch()).toEqual(ann);
    expect(await door.certify('ssh-ed25519 HOST')).toBe('c');
    const login = ['/v1/nonce', '/v1/enrol true', '/v1/nonce', '/v1/token'];
    expect(asked).toEqual([...[...login, '/v1/self/rescue', ...login, '/v1/self/rescue', '/v1/self/rescue/host-key']]);
  } finally {
    server.close();
  }
});
