import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { applyWanted } from '../agent/apply/apply.ts';
import { reloadBgp } from '../agent/apply/bgp.ts';
import { establishedProblem } from '../agent/apply/bgp-session.ts';
import { frrConf } from '../agent/apply/frr-conf.ts';
import { observe } from '../agent/sections/bgp.ts';
import { openSystem } from '../agent/system.ts';
import { intents, wantedOf } from '../agent/testing/frr/intents.ts';
import type { BgpWanted } from '../shared/sections/bgp.ts';
import { cable, type FrrHost, openFrrHost, topOfRackConf, until } from './lab/frr.ts';

const TOP_OF_RACK = topOfRackConf(
  'swp2',
  ` address-family ipv4 unicast
  network 0.0.0.0/0
 address-family ipv6 unicast
  neighbor SERVERS activate
`,
);

interface Session {
  connectionsDropped: number;
  lastResetDueTo?: string;
  lastNotificationReason?: string;
}

const families = { ipv4_unicast: true, ipv6_unicast: true } as const;
const WANTED: BgpWanted = {
  asn: 65101,
  router_id: '10.9.0.1',
  neighbors: {
    eth1: { interface: true, remote_as: 'external', bfd: true, address_families: families },
    '10.1.1.1': { remote_as: 65001, bfd: true, address_families: { ipv4_unicast: true } },
  },
  announce: { connected: { '10.9.0.0/16': { ge: 32, le: 32 }, 'fd00:9::/32': { ge: 128, le: 128 } } },
  bfd: { detect_multiplier: 3, receive_ms: 1000, transmit_ms: 1000 },
  daemons: { bgpd: true, bfdd: true },
};

// Sessions take seconds, and half a minute beside tests that boot machines.
vi.setConfig({ testTimeout: 120_000 });

let node: FrrHost;
let switches: FrrHost;
let generation = 0;

beforeAll(() => {
  node = openFrrHost('bgpd=no\nospfd=no\nbfdd=no\nzebra_options="  -A 127.0.0.1 -s 90000000"\n');
  switches = openFrrHost('bgpd=yes\nbfdd=yes\n');
  cable(node, 'eth1', switches, 'swp1');
  cable(node, 'eth2', switches, 'swp2');
  node.ip('addr', 'add', '10.1.1.2/24', 'dev', 'eth2');
  node.ip('addr', 'add', '10.9.0.1/32', 'dev', 'lo');
  node.ip('addr', 'add', 'fd00:9::1/128', 'dev', 'lo');
  switches.ip('route', 'add', 'blackhole', 'default');
  node.start();
  switches.start(TOP_OF_RACK);
});
afterAll(() => {
  node.close();
  switches.close();
});

/** Applies as the agent does, without a server. */
async function apply(bgp: BgpWanted) {
  const { root, run } = node;
  return await applyWanted({
    ...{ root, run, state: root, wanted: { bgp }, generation: ++generation, mode: 'enforce' as const },
    observe: () => ({ sections: { bgp: observe(openSystem(root)) ?? {} }, errors: {} }),
    probe: async () => undefined,
    host: '192.0.2.1',
    ...{ deadlineMs: 20_000, clock: () => performance.now(), sleep: async () => undefined },
  });
}

const established = (wanted: BgpWanted) =>
  until(
    40,
    () => establishedProblem(node.run, wanted),
    (problem) => problem === undefined,
  );
const forwarding = () =>
  ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'].map((name) =>
    node.inside('sysctl', ['-n', name]).stdout.trim(),
  );

test('sessions by what is written, unnumbered and numbered; the loopback is known to the switch', async () => {
  expect(await apply(WANTED)).toEqual({ outcome: 'applied', steps: expect.anything() });
  expect(readFileSync(join(node.root, 'etc/frr/daemons'), 'utf8')).toBe(
    'bgpd=yes\nospfd=no\nbfdd=yes\nzebra_options="  -A 127.0.0.1 -s 90000000"\n',
  );
  const { uid, gid, mode } = statSync(join(node.root, 'etc/frr/frr.conf'));
  const { uid: frr, gid: group } = statSync('/etc/frr');
  expect([uid, gid, mode & 0o777]).toEqual([frr, group, 0o640]);
  expect(await established(WANTED)).toBeUndefined();
  const route = (what: string) => () => Object.keys(switches.show(what)) as string[];
  expect(await until(10, route('ip route bgp'), (found) => found.length > 0)).toEqual(['10.9.0.1/32']);
  expect(await until(10, route('ipv6 route bgp'), (found) => found.length > 0)).toEqual(['fd00:9::1/128']);
  expect(
    await until(
      10,
      () => Object.keys(node.show('ip route bgp')),
      (found) => found.length > 0,
    ),
  ).toEqual(['0.0.0.0/0']);
});

test('BFD is up, with the timers that were wanted', async () => {
  const peers = () => node.show('bfd peers') as unknown as { status: string; uptime?: number }[];
  // A session of BGP that comes up before its BFD is dropped once more: from here on both are up to stay.
  const isSettled = ({ status, uptime = 0 }: { status: string; uptime?: number }) => status === 'up' && uptime >= 5;
  const found = await until(40, peers, (all) => all.length === 2 && all.every(isSettled));
  expect(found).toHaveLength(2);
  for (const peer of found)
    expect(peer).toMatchObject({ status: 'up', 'receive-interval': 1000, 'transmit-interval': 1000 });
});

test('a changed intent is reloaded while sessions stay up, and the node does not become a router', async () => {
  const dropped = () =>
    Object.values(node.show('bgp neighbors') as Record<string, Session>).map(
      ({ connectionsDropped, lastResetDueTo, lastNotificationReason }) =>
        [connectionsDropped, lastResetDueTo, lastNotificationReason].join(' '),
    );
  const pids = () =>
    ['zebra', 'bgpd', 'bfdd'].map((daemon) => readFileSync(join(node.root, `etc/frr/${daemon}.pid`), 'utf8'));
  const before = { dropped: dropped(), pids: pids() };
  expect(forwarding()).toEqual(['0', '0']);
  const wanted = { ...WANTED, announce: { networks: { '10.9.0.1/32': true as const } } };
  expect(await apply(wanted)).toEqual({ outcome: 'applied', steps: expect.anything() });
  expect(
    await until(
      10,
      () => Object.keys(switches.show('ipv6 route bgp')),
      (found) => found.length === 0,
    ),
  ).toEqual([]);
  const kept = () => Object.keys(switches.show('ip route bgp'));
  expect(await until(10, kept, (found) => found.length > 0)).toEqual(['10.9.0.1/32']);
  expect({ dropped: dropped(), pids: pids() }).toEqual(before);
  expect(forwarding()).toEqual(['0', '0']);
});

test('a wrong AS number is undone, and named; the sessions are back', async () => {
  const wrong = {
    ...WANTED,
    neighbors: { '10.1.1.1': { ...WANTED.neighbors!['10.1.1.1']!, remote_as: 65002 } },
  };
  const before = readFileSync(join(node.root, 'etc/frr/frr.conf'), 'utf8');
  expect(await apply(wrong)).toEqual({
    outcome: 'undone',
    steps: expect.anything(),
    reason: expect.stringMatching(
      /^BGP neighbour 10\.1\.1\.1 \(AS 65002\) is (Idle|Active|Connect|OpenSent): .* \(OPEN Message Error\/Bad Peer AS\)$/,
    ),
  });
  expect(readFileSync(join(node.root, 'etc/frr/frr.conf'), 'utf8')).toBe(before);
  expect(await established(WANTED)).toBeUndefined();
  const gone = { ...WANTED, neighbors: { eth9: WANTED.neighbors!.eth1! } };
  expect(establishedProblem(node.run, gone)).toBe('BGP neighbour eth9 is not known to bgpd');
});

test('FRR goes from each golden file to the next: nothing is left to be reloaded', () => {
  const path = join(node.root, 'etc/frr/frr.conf');
  for (const [name, intent] of Object.entries(intents)) {
    writeFileSync(path, frrConf(wantedOf(intent)));
    reloadBgp(node.run, node.root);
    const { stdout } = node.run('/usr/lib/frr/frr-reload.py', ['--test', '--confdir', dirname(path), path]);
    // What the kernel decides, and FRR's own version, are in no file of ours.
    const left = stdout.replaceAll(/^(Lines To .*|=+|no hostname .*|ip(v6)? forwarding|frr version .*)$/gm, '').trim();
    expect([name, left]).toEqual([name, '']);
    expect([name, readFileSync(path, 'utf8')]).toEqual([name, frrConf(wantedOf(intent))]);
  }
  expect(forwarding()).toEqual(['0', '0']);
});
