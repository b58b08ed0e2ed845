import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Run } from '../command.ts';
import type { Facts } from '../facts.ts';
import {
  afterwards,
  asWanted,
  links,
  machine,
  options,
  ROUTE,
  run,
  tree,
  wanted,
} from '../testing/applying.fixture.ts';
import { applyWanted, mendWhileAway } from './apply.ts';
import { releaseSections } from './owned.ts';
import { confirmedVrf, confirmPending, readPending, writePending } from './snapshot.ts';

test('a gateway that is silent: all is as before, the cause is told, and the generation is not tried again', async () => {
  const before = tree();
  machine.answers = { ping: { status: 1 }, 'ip -4 neigh': { stdout: '10.1.0.1 FAILED' } };
  const reason = 'gateway 10.1.0.1 does not answer ARP on eth0';
  expect(await applyWanted(options())).toMatchObject({ outcome: 'undone', reason });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason });
  machine.answers = { ...ROUTE };
  expect(await applyWanted(options({ generation: 8 }))).toMatchObject({ outcome: 'applied' });
});

test('a machine without ping: the server alone decides', async () => {
  machine.answers = { ...ROUTE, ping: { status: null, stderr: 'spawnSync ping ENOENT' } };
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('a server that goes away in the middle while the gateway answers: undone, and tried again when it is back', async () => {
  const probe = afterwards(() => {
    throw new Error('connection refused');
  });
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the gateway answers, but the server does not: connection refused',
  });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('a server that answers over the old network and not over the new one: undone for good', async () => {
  const isNew = () => tree()['etc/systemd/network/10-machinedb-eth0.network'] !== undefined;
  const probe = async () => {
    if (isNew()) throw new Error('no answer within 5 s');
  };
  const reason =
    'the gateway answers, but the server does not: no answer within 5 s; over the configuration before it does: a wrong mask or route, or a firewall is in the way';
  expect(await applyWanted(options({ probe }))).toMatchObject({ outcome: 'undone', reason });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason });
});

test('a route that networkd has given up is set when it is asked once more, within the deadline', async () => {
  machine.answers = {};
  const again = 'networkctl reconfigure eth0';
  const asked: Run = (command, args) => {
    const result = run(command, args);
    if (machine.commands.at(-1) === again) machine.answers = { ...ROUTE };
    return result;
  };
  expect(await applyWanted(options({ run: asked, deadlineMs: 10_000 }))).toMatchObject({ outcome: 'applied' });
  expect(machine.commands.filter((each) => each === again)).toHaveLength(1);
  machine.answers = {};
  rmSync(join(machine.root, 'etc/systemd/network/10-machinedb-eth0.network'));
  expect(await applyWanted(options({ deadlineMs: 10_000 }))).toMatchObject({
    outcome: 'undone',
    reason: 'the route to 0.0.0.0/0 by 10.1.0.1 on eth0 is not there: what configures the network has not set it',
  });
});

test('while the server is away, files that are in force are so once more where a route is missing; others are let alone', async () => {
  const mended = () => {
    machine.commands = [];
    mendWhileAway({ root: machine.root, state: machine.state, run, wanted, observe: asWanted });
    return machine.commands.filter((each) => each.startsWith('networkctl'));
  };
  const again = ['networkctl reconfigure eth0'];
  machine.answers = {};
  expect(mended()).toEqual([]);
  machine.answers = { ...ROUTE };
  await applyWanted(options());
  expect(mended()).toEqual([]);
  machine.answers = {};
  expect(mended()).toEqual(again);
  // One that cannot be planned must not end the agent: it has to go on asking for its server.
  const planless = { ...wanted, network: { ...wanted.network, unobserved: { renderer: 'ifupdown' as const } } };
  mendWhileAway({ root: machine.root, state: machine.state, run, wanted: planless, observe: asWanted });
  writePending(machine.root, machine.state, { generation: 8, sections: ['network'], ...links }, []);
  expect(mended()).toEqual([]);
  confirmPending(machine.state);
  expect(mended()).toEqual(again);
  releaseSections(machine.root, machine.state, ['network']);
  expect(mended()).toEqual([]);
});

test('nothing is begun while the server is away', async () => {
  const before = tree();
  const probe = async () => {
    throw new Error('connection refused');
  };
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'skipped',
    reason: 'nothing is begun while the server is away: connection refused',
  });
  expect(tree()).toEqual(before);
  expect(readPending(machine.state)).toBeUndefined();
});

test('a change without a network leaves the way to the server in its VRF', async () => {
  writePending(machine.root, machine.state, { generation: 6, sections: [], vrf: 'red', ...links }, []);
  confirmPending(machine.state);
  const { network: _, ...rest } = wanted;
  expect(await applyWanted(options({ wanted: rest, host: '10.1.0.1' }))).toMatchObject({ outcome: 'applied' });
  expect(confirmedVrf(machine.state)).toBe('red');
});

test('the proof comes from an address of the new network, not from an old one', async () => {
  const from: (string | undefined)[] = [];
  await applyWanted(
    options({
      host: '10.9.0.1',
      probe: async (way) => {
        from.push(way?.address);
      },
    }),
  );
  expect(from).toEqual([undefined, '10.1.0.5']);
});

test('an address that somebody else has is seen before anything is touched', async () => {
  const before = tree();
  machine.answers = { arping: { status: 1, stdout: 'Unicast reply from 10.1.0.5 [52:54:00:AA:BB:CC]  1.2ms\n' } };
  const observe = () => ({ ...asWanted(), sections: { nics: asWanted().sections.nics } }) as Facts;
  expect(await applyWanted(options({ observe }))).toMatchObject({
    outcome: 'undone',
    reason: 'address 10.1.0.5 is in use on eth0 by 52:54:00:aa:bb:cc already: take another, or find who has it',
  });
  expect(tree()).toEqual(before);
});

test('an MTU that the switch does not have is undone, and named', async () => {
  machine.answers = { 'ping -c 1 -W 2 -M do -s 8972': { status: 1 } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason:
      "packets of 9000 bytes do not pass to gateway 10.1.0.1 on eth0, small ones do: the switch's or the gateway's MTU is smaller",
  });
  // A file that says no MTU leaves the one that is.
  expect(machine.commands.slice(-2)).toEqual(['networkctl reload', 'ip link set dev eth0 mtu 9000']);
});

test('name servers that are dead are undone, and named', async () => {
  expect(await applyWanted(options({ ask: async () => false }))).toMatchObject({
    outcome: 'undone',
    reason: 'name server 10.1.0.53 does not answer',
  });
});

test('confirm_within_s of the intent is the deadline', async () => {
  const network = { ...wanted.network!, unobserved: { confirm_within_s: 300 } };
  await applyWanted(options({ wanted: { ...wanted, network } }));
  expect(machine.commands).toContainEqual(expect.stringContaining('--on-active=305'));
});
