import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { confirmedVrf, confirmPending, writePending } from './apply/snapshot.ts';
import { openSystem } from './system.ts';
import { recorder } from './testing/recorder.ts';
import { makeTree } from './testing/tree.ts';
import { otherVrf, proberOf, vrfOfProcess } from './vrf.ts';

/** A machine with VRFs, this process in a control group, and a confirmed change. */
function machine(cgroup: string, links: string[], vrf: string | undefined) {
  const root = makeTree({ '/proc/self/cgroup': `0::/system.slice/machinedb-agent.service${cgroup}\n` });
  for (const name of links) mkdirSync(join(root, 'sys/class/net', name), { recursive: true });
  const state = join(root, 'state');
  mkdirSync(state);
  const network = { interfaces: [], renderer: 'networkd', links: { before: {}, after: {} }, mtus: {} } as const;
  const pending = { generation: 1, sections: [], ...network, interfaces: [], ...(vrf === undefined ? {} : { vrf }) };
  writePending(root, state, pending, []);
  expect(confirmedVrf(state)).toBeUndefined();
  confirmPending(state);
  return { root, state, system: openSystem(root) };
}

test.each([
  ['', [], undefined, undefined],
  ['', ['mgmt'], 'mgmt', { vrf: 'mgmt' }],
  ['', [], 'mgmt', undefined],
  ['/vrf/mgmt', ['mgmt'], 'mgmt', undefined],
  ['/vrf/mgmt', [], 'mgmt', { vrf: undefined }],
  ['/vrf/mgmt', ['mgmt'], undefined, { vrf: undefined }],
  ['/vrf/mgmt', ['mgmt', 'red'], 'red', { vrf: 'red' }],
])('in "%s" with links %j and the server in %s: %j', (cgroup, links, vrf, other) => {
  const place = machine(cgroup, links, vrf);
  expect(vrfOfProcess(place.system)).toBe(cgroup === '' ? undefined : 'mgmt');
  expect(otherVrf(place)).toEqual(other);
});

test('the proof is had by this process where it is in the VRF of the way, else by a child', async () => {
  const { run, commands } = recorder({ 'ip vrf exec default': { status: 1, stderr: 'the server does not answer' } });
  const probeCommand = ['/usr/bin/machinedb-agent', 'probe', '--state', '/s'];
  const asked: (string | undefined)[] = [];
  const probeFrom = (cgroup: string) => {
    const { system } = machine(cgroup, ['mgmt'], undefined);
    return proberOf({ system, run, probeCommand }, async (from) => {
      asked.push(from);
    });
  };
  await probeFrom('')({ address: '10.3.0.5', vrf: 'mgmt' });
  expect(commands).toEqual(['ip vrf exec mgmt /usr/bin/machinedb-agent probe --state /s --from 10.3.0.5']);
  await expect(probeFrom('/vrf/mgmt')({ address: '10.1.0.5' })).rejects.toThrow('the server does not answer');
  await probeFrom('/vrf/mgmt')({ address: '10.3.0.5', vrf: 'mgmt' });
  await probeFrom('')({ address: '10.1.0.5' });
  await probeFrom('')();
  expect(asked).toEqual(['10.3.0.5', '10.1.0.5', undefined]);
});
