import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { canonical } from '../shared/canonical.ts';
import { networkdFiles } from './apply/network/networkd.ts';
import type { HttpRequest } from './client/http.ts';
import { openTrust } from './client/trust-store.ts';
import { keepWanted } from './client/wanted.ts';
import type { Door } from './duty.ts';
import { managementDuty } from './manage.ts';
import { openSystem } from './system.ts';
import { makeTree } from './testing/tree.ts';

const NODE = '5c1f9a52-0000-4000-8000-000000000001';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

let root: string;
let state: string;
let sent: { path: string; body: unknown }[];
let said: string[];
let commands: string[];
/** How often it was asked to go where the server is reached. */
let moves: number;
/** What the server answers who asks for a slot. */
let answer: { go: boolean; reason?: string } | Error;
/** Milliseconds that the agent waited. */
let now: number;

beforeEach(() => {
  root = makeTree({
    'etc/hostname': 'old\n',
    'etc/hosts': '127.0.0.1\tlocalhost\n',
    'proc/sys/kernel/hostname': 'old\n',
  });
  state = makeTree({});
  [sent, said, commands, moves, now] = [[], [], [], 0, 0];
  answer = { go: true };
});

/** An agent that has just started on the machine, and the server that it speaks with. */
function start() {
  const trust = openTrust(state, []);
  trust.learn({ name: 'machinedb', pins: [], wanted_keys: [{ id: 'k', public_key: spki }] });
  const door = {
    ...{ node: NODE, trust, server: { url: new URL('https://192.0.2.1') }, roundTrip: async () => undefined },
    async send({ path, body }: HttpRequest) {
      sent.push({ path, body: JSON.parse(String(body)) as unknown });
      if (path !== '/v1/self/slot') return {};
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as Door;
  const duty = managementDuty({
    ...{ root, state, system: openSystem(root), bootId: 'b1', deadlineMs: 1000, clock: () => now },
    run: (command, args) => {
      commands.push([command, ...args].join(' '));
      return { status: 0, stdout: '', stderr: '' };
    },
    sleep: async (ms) => {
      now += ms;
    },
    log: (message) => said.push(message),
    probeCommand: ['machinedb-agent', 'probe'],
    move: () => moves++,
  });
  return { work: () => duty.work(door), away: () => duty.away?.(NODE, trust) };
}

function want(generation: number, mode: string, hostname: string, more: object = {}): void {
  const wanted = { mode: { mode }, hostname: { hostname, fqdn: `${hostname}.example.org` }, ...more };
  const signature = sign(null, Buffer.from(canonical({ node: NODE, generation, wanted })), privateKey).toString(
    'base64',
  );
  keepWanted(state, { node: NODE, generation, wanted, signature, key: 'k' });
}

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const slot = (generation: number) => ({ path: '/v1/self/slot', body: { generation } });
const told = (generation: number, outcome: string) => ({
  path: '/v1/self/applied',
  body: expect.objectContaining({ generation, outcome }),
});

test('a node that has to wait changes nothing and says why, once; when it may, it applies and tells', async () => {
  want(3, 'enforce', 'web1');
  const { work } = start();
  answer = { go: false, reason: '5 of role web apply now, and no more may at the same time' };
  expect([await work(), await work()]).toEqual([false, false]);
  expect(read('etc/hostname')).toBe('old\n');
  expect(sent).toEqual([slot(3), slot(3)]);
  expect(said).toEqual(['generation 3 waits: 5 of role web apply now, and no more may at the same time']);
  answer = { go: true };
  expect(await work()).toBe(true);
  expect([read('etc/hostname'), read('proc/sys/kernel/hostname')]).toEqual(['web1\n', 'web1']);
  expect(sent.slice(2)).toEqual([slot(3), told(3, 'applied')]);
  expect(moves).toBe(1);
});

test('a machine that is as wanted asks for no slot; the same outcome is told again after a slot', async () => {
  want(3, 'enforce', 'web1');
  const { work } = start();
  await work();
  await work();
  expect(sent).toEqual([slot(3), told(3, 'applied'), told(3, 'same')]);
  // Somebody changes it by hand, twice.
  for (let i = 0; i < 2; i++) {
    writeFileSync(join(root, 'etc/hostname'), 'drift\n');
    await work();
  }
  expect(read('etc/hostname')).toBe('web1\n');
  expect(sent.slice(3)).toEqual([slot(3), told(3, 'applied'), slot(3), told(3, 'applied')]);
});

test('what its files say after a boot, and what shows with its carrier, is waited for; what never shows is configured once more', async () => {
  want(3, 'enforce', 'web1');
  const { work } = start();
  await work();
  const boots = async (showsAt: number) => {
    sent.length = 0;
    const began = now;
    writeFileSync(join(root, 'proc/sys/kernel/hostname'), 'localhost');
    for (const at of [0, 30_000, 44_000, 45_000, 60_000]) {
      now = began + at;
      if (at >= showsAt) writeFileSync(join(root, 'proc/sys/kernel/hostname'), 'web1');
      await work();
    }
    return sent;
  };
  expect(await boots(44_000)).toEqual([told(3, 'same')]);
  expect(await boots(Number.POSITIVE_INFINITY)).toEqual([slot(3), told(3, 'applied'), told(3, 'same')]);
  expect(read('proc/sys/kernel/hostname')).toBe('web1');
});

test('in mode plan it tells what it would do, and asks for nothing', async () => {
  want(3, 'plan', 'web1');
  await start().work();
  expect(sent).toEqual([told(3, 'planned')]);
  expect(read('etc/hostname')).toBe('old\n');
});

test('a server that cannot be asked is no failed apply: nothing is begun, and the session ends', async () => {
  want(3, 'enforce', 'web1');
  answer = new Error('https://192.0.2.1 cannot be reached');
  await expect(start().work()).rejects.toThrow('https://192.0.2.1 cannot be reached');
  expect(sent).toEqual([slot(3)]);
  expect(read('etc/hostname')).toBe('old\n');
});

test.each([
  ['plan', []],
  ['enforce', ['networkctl reconfigure eth0']],
])('while the server is away, mode %s, a route is missing: %j', (mode, again) => {
  const eth0 = { addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.1' };
  want(3, mode, 'web1', { network: { interfaces: { eth0 } } });
  mkdirSync(join(root, 'etc/systemd/network'), { recursive: true });
  for (const [path, { text }] of Object.entries(networkdFiles({ eth0 }, {}, {}))) writeFileSync(join(root, path), text);
  start().away();
  expect(commands.filter((command) => command.startsWith('networkctl'))).toEqual(again);
});
