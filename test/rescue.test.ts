import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newIdentity } from '../agent/client/identity.ts';
import { openTrust } from '../agent/client/trust-store.ts';
import { openRescueDoor } from '../agent/rescue/door.ts';
import { ed25519Blob, fingerprintOfBlob, readHostCertificate } from '../shared/ssh-certificate.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';
import { request, simulateNode } from './simulated-node.ts';

const harness = await startHarness();
const [daemon, other] = harness.daemons;
const directory = mkdtempSync(join(harness.directory, 'rescue-'));
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await harness.close();
});

const sha256 = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
await harness.call('putImage', {
  params: { image: 'discovery' },
  body: {
    ...{ name: 'discovery', kind: 'discovery', architecture: 'amd64', built_at: '2026-11-21T00:00:00Z' },
    files: { kernel: sha256('a'), initrd: sha256('b'), rescue: sha256('d') },
    ...{ agent: 'c'.repeat(64), packages: {} },
  },
});
const keyOf = () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const blob = ed25519Blob(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
  return { line: `ssh-ed25519 ${blob.toString('base64')}`, fingerprint: fingerprintOfBlob(blob) };
};
const ann = keyOf();
const file = join(directory, 'ann.pub');
writeFileSync(file, `${ann.line} ann@laptop\n`);

let machines = 700;
async function approved() {
  const machine = simulateNode(directory, machines++);
  const { node, fingerprint } = await machine.enrol(daemon);
  await harness.call('approveNode', { params: { node }, body: { fingerprint, reason: 'console' } });
  return { machine, node };
}
const explain = async (mac: string) => {
  const { reason } = await harness.call('explainBoot', { query: { mac } });
  return reason;
};

test('a person opens a rescue, sees where the machine waits, and ends it', async () => {
  const { machine, node } = await approved();
  const mac = machine.hardware.macs![0]!;
  const said = (...args: string[]) => machinedb(daemon, ['rescue', node, ...args]);
  const before = await explain(mac);
  const opened = await said('--key', file, '--operator', 'ann', '--for', '30m', '--reason', 'its disk is odd');
  expect(opened).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('goes into it when it boots from the network next'),
  });
  expect(opened.stdout).toMatch(
    /^operator: ann\nby: \S+\nreason: its disk is odd\nat: .*\nfingerprint: SHA256:.*\nuntil: /,
  );
  expect(await explain(mac)).toBe('rescue by ann');

  // The machine, by either daemon, with a key of its own; the node's goes on.
  const trust = openTrust(directory, other.pins);
  const server = { url: new URL(other.url), pins: () => trust.pins(), clock: Date.now };
  const door = openRescueDoor(server, newIdentity(), { hardware: machine.hardware, bootId: 'boot-r', trust });
  const order = await door.fetch();
  expect(order).toMatchObject({ operator: 'ann', public_key: ann.line });
  expect(Math.abs(order.seconds_left - 1800)).toBeLessThan(60);
  const host = keyOf();
  expect(readHostCertificate(await door.certify(host.line))?.principals).toEqual([node]);
  await machine.report(daemon, { os: { name: 'x' } });

  const shown = await harness.call('getNode', { params: { node } });
  expect(shown.rescue).toMatchObject({
    fingerprint: ann.fingerprint,
    host: { address: '127.0.0.1', fingerprint: host.fingerprint },
  });
  expect(shown.keys.map(({ status }) => status)).toEqual(['current', 'rescue']);
  expect(await said('--end', '--reason', 'mended')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is over'),
  });
  await expect(door.fetch()).rejects.toMatchObject({
    status: 403,
    message: expect.stringContaining('boots as before'),
  });
  expect(await explain(mac)).toBe(before);
  expect(await said('--end')).toMatchObject({ code: 4, stderr: expect.stringContaining('there is nothing to end') });
  const { items } = await harness.call('getHistory', { params: { node }, query: { limit: 1000 } });
  const kinds = items.flatMap((item) => (item.kind?.startsWith('rescue') ? [[item.kind, item.reason]] : []));
  expect(kinds).toEqual([
    ['rescue.closed', 'mended'],
    ['rescue.joined', undefined],
    ['rescue.opened', 'its disk is odd'],
  ]);
}, 90_000);

test("a node's own token opens no rescue, and an operator of scope read opens none", async () => {
  const { machine, node } = await approved();
  const headers = { authorization: `Bearer ${await machine.token(daemon)}` };
  await expect(request(daemon, 'GET', '/v1/self/rescue', undefined, headers)).rejects.toMatchObject({ status: 403 });
  const { token } = await harness.call('createToken', { body: { name: 'looker', scopes: ['read'] } });
  const body = JSON.stringify({ operator: 'ann', public_key: ann.line, reason: 'x' });
  const asked = request(daemon, 'POST', `/v1/nodes/${node}/rescue`, body, {
    ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  await expect(asked).rejects.toMatchObject({ status: 403 });
});

const usage = 'machinedb: usage: machinedb rescue NODE --key FILE|--operator NAME [--for 1h] --reason TEXT';
test.each([
  ['no key', ['--reason', 'x'], 2, usage],
  ['an end with a key', ['--end', '--key', file], 2, usage],
  ['no time', ['--key', file, '--reason', 'x', '--for', 'ever'], 2, 'machinedb: --for is "ever": write 90s, 30m or 1h'],
  ['a time too long', ['--key', file, '--reason', 'x', '--for', '25h'], 1, 'machinedb: '],
  ['no file', ['--key', '/no/such', '--reason', 'x'], 1, 'machinedb: /no/such cannot be read'],
  ['no such node', ['--key', file, '--reason', 'x'], 3, 'machinedb: there is no node "n1"'],
])('a rescue with %s is told why not', async (_, args, code, stderr) => {
  const ended = await machinedb(daemon, ['rescue', 'n1', ...args]);
  expect([ended.code, ended.stderr.slice(0, stderr.length)]).toEqual([code, stderr]);
});

test('a person says how one boot goes', async () => {
  const { machine, node } = await approved();
  const mac = machine.hardware.macs![0]!;
  const once = (...args: string[]) => machinedb(daemon, ['boot', 'once', node, ...args]);
  expect(await once('local')).toMatchObject({ code: 2, stderr: 'machinedb: boot once needs --reason\n' });
  expect(await once('elsewhere', '--reason', 'x')).toMatchObject({ code: 1 });
  expect(await once('local', '--reason', 'look at the old system', '--json')).toMatchObject({ code: 0 });
  expect(await explain(mac)).toBe('local is asked for, for one boot');
  const shown = async () => await harness.call('getNode', { params: { node } });
  expect((await shown()).boot_once).toMatchObject({ target: 'local', reason: 'look at the old system' });
  const beat = { boot_id: 'another', seq: 1, facts: '', generation: 0, version: '1' };
  const headers = { authorization: `Bearer ${await machine.token(daemon)}` };
  await request(daemon, 'POST', '/v1/self/heartbeat', JSON.stringify(beat), headers);
  expect(await explain(mac)).toBe('it is approved, and has nothing on its disk');
  expect((await shown()).boot_once).toBe(undefined);
}, 90_000);
