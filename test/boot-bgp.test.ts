import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FrrHost, openFrrHost, topOfRackConf, until as untilSeen } from './lab/frr.ts';
import { type Installed, installedDisk, powerOnInstalled } from './lab/installed.ts';
import type { Guest } from './lab/qemu.ts';
import { openRack, type Rack } from './lab/rack.ts';
import { sshIntent } from './lab/story.ts';
import { until } from './lab/until.ts';

let rack: Rack;
let topOfRack: FrrHost;
let guest: Guest;
let node: string;

const network = {
  confirm_within_s: 40,
  interfaces: {
    server: { match: { driver: 'virtio_net' }, dhcp4: true },
    uplink: { match: { driver: 'e1000e' }, addresses: { main: { network: 'uplinks', address: '10.1.1.2' } } },
    lo: { addresses: { main: { network: 'loopbacks', address: '10.9.0.1' } } },
  },
};
const bgp = (remoteAs: number) => ({
  asn: 65101,
  neighbors: {
    link: { interface: 'uplink', remote_as: 'external', bfd: true },
    router: { address: '10.1.1.1', remote_as: remoteAs, bfd: true },
  },
  announce: { connected: { '10.9.0.0/16': { ge: 32, le: 32 } } },
});

beforeAll(async () => {
  rack = await openRack();
  const { site } = rack;
  await site.machinedb('role', 'put', 'router');
  await site.machinedb('network', 'put', 'uplinks', '--cidr', '10.1.1.0/24');
  await site.machinedb('network', 'put', 'loopbacks', '--cidr', '10.9.0.0/24');
  await rack.intend('router', 'ssh', sshIntent(rack.publicKey));
  // The first change, of a machine that is still booting and starts FRR, has more than the usual minute.
  await rack.intend('router', 'network', { ...network, confirm_within_s: 180 });
  await rack.intend('router', 'bgp', bgp(65001));
  topOfRack = openFrrHost('bgpd=yes\nbfdd=yes\n');
  const taps = [site.network.tap(), site.network.wire(topOfRack.name, 'swp1')];
  topOfRack.start(topOfRackConf('swp1'));
  const machine: Installed = {
    ...(await installedDisk(site, 'bgp', 'trixie', {})),
    serial: 'BGP-1',
    macs: ['52:54:00:4d:07:01', '52:54:00:4d:08:01'],
  };
  guest = powerOnInstalled(site, machine, taps);
  node = await rack.admit('BGP-1', 'router.lab.example.org', 'router');
  await rack.intend('router', 'network', network);
}, 900_000);
afterAll(async () => {
  await guest?.close();
  topOfRack?.close();
  await rack?.close();
});

const routes = () => topOfRack.show('ip route bgp');

test('the loopback of a guest is known to the switch by a numbered and an unnumbered session, BFD is up', async () => {
  const seen = await untilSeen(30, routes, (found) => '10.9.0.1/32' in found);
  expect(Object.keys(seen)).toEqual(['10.9.0.1/32']);
  const { peers } = topOfRack.show('bgp ipv4 unicast summary') as { peers: Record<string, { state: string }> };
  expect(peers).toMatchObject({ '10.1.1.2': { state: 'Established' }, swp1: { state: 'Established' } });
  const bfd = () => topOfRack.show('bfd peers') as unknown as { status: string }[];
  expect(
    (await untilSeen(20, bfd, (all) => all.every(({ status }) => status === 'up'))).map((each) => each.status),
  ).toEqual(['up', 'up']);
});

test('a wrong AS number is undone, and named; the route is back', async () => {
  await rack.intend('router', 'bgp', bgp(65002));
  const told = async () => (await rack.findings(node)).find(({ path }) => path === '/apply')?.message ?? '';
  await until(told, (message) => /BGP neighbour 10\.1\.1\.1 \(AS 65002\) is .*Bad Peer AS/.test(message), {
    ms: 120_000,
  });
  expect(Object.keys(await untilSeen(30, routes, (found) => '10.9.0.1/32' in found))).toEqual(['10.9.0.1/32']);
  await rack.intend('router', 'bgp', bgp(65001));
  await until(
    async () => (await rack.show(node)).health,
    (health) => health === 'ok',
    { ms: 120_000 },
  );
}, 300_000);
