import { generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { canonical } from '../shared/canonical.ts';
import { absenceNotice } from './absence.ts';
import { releaseSections } from './apply/owned.ts';
import { hardwareOf } from './client/hardware.ts';
import { keptIdentity, openIdentity, rememberNode } from './client/identity.ts';
import { openTrust } from './client/trust-store.ts';
import { keepWanted } from './client/wanted.ts';
import { observeAll } from './facts.ts';
import { dryRun, probe } from './local.ts';
import { openSystem } from './system.ts';
import { recorder } from './testing/recorder.ts';
import { makeTree } from './testing/tree.ts';

const NODE = '5c1f9a52-0000-4000-8000-000000000001';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

let root: string;
let state: string;
beforeEach(() => {
  root = makeTree({ 'etc/hostname': 'old\n', 'etc/hosts': '127.0.0.1\tlocalhost\n' });
  state = mkdtempSync(join(tmpdir(), 'machinedb-local-'));
  const trust = openTrust(state, []);
  trust.learn({ name: 'machinedb', pins: [], wanted_keys: [{ id: 'k', public_key: spki }] });
  openIdentity(state, hardwareOf(observeAll(openSystem(root))));
  rememberNode(state, NODE);
});
afterEach(() => rmSync(state, { recursive: true }));

function keep(wanted: Record<string, unknown>): void {
  const text = Buffer.from(canonical({ node: NODE, generation: 7, wanted }));
  const signature = sign(null, text, privateKey).toString('base64');
  keepWanted(state, { node: NODE, generation: 7, wanted, signature, key: 'k' });
}
const show = () => dryRun({ root, state, system: openSystem(root), run: recorder().run, pins: [] });

test('a dry run shows a difference per file and what is reloaded, and touches nothing', () => {
  keep({ hostname: { hostname: 'web1' }, mode: { mode: 'enforce' } });
  expect(show()).toBe(`generation 7

/etc/hostname
- old
+ web1

/etc/hosts
+ 127.0.1.1\tweb1

reload hostname`);
  expect(readFileSync(join(root, 'etc/hostname'), 'utf8')).toBe('old\n');
  releaseSections(root, state, ['hostname']);
  expect(show()).toBe('generation 7: nothing to do');
});

test('neither a dry run nor a round trip makes an identity, or drops that of other hardware', async () => {
  keep({ hostname: { hostname: 'old' } });
  rmSync(join(state, 'identity.json'));
  openIdentity(state, { serial: 'ANOTHER', uuid: '5c1f9a52-1111-4000-8000-000000000001' });
  rememberNode(state, NODE);
  const before = readFileSync(join(state, 'identity.json'), 'utf8');
  expect(show()).toMatch(/^generation 7/);
  const server = { url: new URL('http://127.0.0.1:1'), clock: () => 0 };
  await expect(probe({ state, pins: [] }, server, undefined)).rejects.toThrow(/127\.0\.0\.1:1 cannot be reached/);
  expect(readFileSync(join(state, 'identity.json'), 'utf8')).toBe(before);
  rmSync(join(state, 'identity.json'));
  expect(show).toThrow('holds no wanted state that is signed for this node');
  await expect(probe({ state, pins: [] }, server, undefined)).rejects.toThrow('this machine is not enrolled');
  expect(keptIdentity(state)).toBeUndefined();
});

test('a wanted state that is not signed for this node is none', () => {
  expect(show).toThrow(`${state} holds no wanted state that is signed for this node: nothing is wanted yet`);
  keep({ hostname: { hostname: 'web1' } });
  openTrust(state, []).learn({ name: 'machinedb', pins: [], wanted_keys: [] });
  expect(show).toThrow('nothing is wanted yet');
});

test('a node without its server says once, on the console too, that its gateway is not there, until the server is', () => {
  keep({ network: { interfaces: { eth0: { gateway: '10.1.0.1' } } } });
  const said: string[] = [];
  const { run } = recorder({ ping: { status: 1 }, ip: { stdout: '' } });
  const absence = absenceNotice({ root, state, run, log: (message) => said.push(message) });
  const issue = join(root, 'run/issue.d/60-machinedb.issue');
  const trust = openTrust(state, []);
  absence.say(NODE, trust);
  absence.say(NODE, trust);
  const text =
    'gateway 10.1.0.1 does not answer ARP on eth0: does this machine stand in another rack, or is a cable elsewhere? It is configured as it was last told';
  expect(said).toEqual([text]);
  expect(readFileSync(issue, 'utf8')).toBe(`MachineDB: ${text}\n`);
  absence.end();
  expect(existsSync(issue)).toBe(false);
});
