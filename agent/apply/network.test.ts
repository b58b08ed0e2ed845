import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import type { Run } from '../command.ts';
import { header } from './change.ts';
import { writeFile } from './files.ts';
import { planNetwork, reloadNetwork, silentGateway } from './network.ts';

const dns = {
  servers: { '10.1.0.53': true, 'fd00::53': true },
  search: { 'a.example.org': true, 'example.org': true },
} as const;
const STATIC: NetworkWanted = {
  interfaces: {
    eth0: {
      mtu: 9000,
      addresses: { '10.1.0.5/24': {}, 'fd00::5/64': {} },
      gateway: '10.1.0.1',
      gateway6: 'fd00::1',
    },
    eth1: { dhcp4: true },
  },
  dns,
};
const macs = { eth0: '52:54:00:00:00:01' };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-network-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const resolvedRuns = () => put('/run/systemd/resolve/resolv.conf', '');
function netplanIsUsed(): void {
  put('/usr/sbin/netplan', '');
  put('/etc/netplan/50-cloud-init.yaml', 'network: {version: 2}\n');
}

/** Applies, and gives what was written; undefined: removed. */
function apply(wanted: NetworkWanted): Record<string, string | undefined> {
  const changes = planNetwork(root, wanted, macs);
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  expect(planNetwork(root, wanted, macs)).toEqual([]);
  return Object.fromEntries(changes.map(({ path, after }) => [path, after]));
}

test('systemd-networkd: a file per interface, by its permanent MAC where that is known', () => {
  resolvedRuns();
  expect(apply(STATIC)).toEqual({
    '/etc/systemd/network/10-machinedb-eth0.network': `${header}
[Match]
PermanentMACAddress=52:54:00:00:00:01

[Link]
MTUBytes=9000

[Network]
DHCP=no
Address=10.1.0.5/24
Address=fd00::5/64
Gateway=10.1.0.1
Gateway=fd00::1
DNS=10.1.0.53
DNS=fd00::53
Domains=a.example.org example.org
`,
    '/etc/systemd/network/10-machinedb-eth1.network': `${header}
[Match]
Name=eth1

[Network]
DHCP=ipv4
DNS=10.1.0.53
DNS=fd00::53
Domains=a.example.org example.org
`,
  });
});

test('an interface that is no longer named loses our file, and only ours', () => {
  resolvedRuns();
  put('/etc/systemd/network/90-machinedb-default.network', '[Match]\nName=*\n');
  apply(STATIC);
  expect(apply({})).toEqual({
    '/etc/systemd/network/10-machinedb-eth0.network': undefined,
    '/etc/systemd/network/10-machinedb-eth1.network': undefined,
  });
});

test('name servers without interfaces: settings of systemd-resolved, which go with them', () => {
  resolvedRuns();
  const path = '/etc/systemd/resolved.conf.d/10-machinedb.conf';
  expect(apply({ dns })).toEqual({
    [path]: `${header}\n[Resolve]\nDNS=10.1.0.53 fd00::53\nDomains=a.example.org example.org\n`,
  });
  expect(apply({})).toEqual({ [path]: undefined });
});

test('name servers without systemd-resolved: resolv.conf, whose other lines stay', () => {
  put('/etc/resolv.conf', '# theirs\nnameserver 192.0.2.1\n\nsearch old.example.org\noptions edns0\n');
  expect(apply({ dns })).toEqual({
    '/etc/resolv.conf': `${header}\n# theirs\noptions edns0\nnameserver 10.1.0.53\nnameserver fd00::53\nsearch a.example.org example.org\n`,
  });
  expect(apply({ dns: { search: { 'b.example.org': true } } })).toEqual({
    '/etc/resolv.conf': `${header}\n# theirs\noptions edns0\nnameserver 10.1.0.53\nnameserver fd00::53\nsearch b.example.org\n`,
  });
});

test("a resolv.conf that is a link is somebody else's", () => {
  mkdirSync(join(root, 'etc'));
  symlinkSync('../run/NetworkManager/resolv.conf', join(root, 'etc/resolv.conf'));
  expect(apply({ dns })).toEqual({});
});

test('netplan: one file, no empty "ethernets", and none of ours left for systemd-networkd', () => {
  resolvedRuns();
  apply({ interfaces: { eth0: {} } });
  netplanIsUsed();
  expect(apply({ interfaces: STATIC.interfaces! })).toEqual({
    '/etc/netplan/90-machinedb.yaml': `${header}
network:
  version: 2
  ethernets:
    "eth0":
      match: {macaddress: "52:54:00:00:00:01"}
      set-name: "eth0"
      mtu: 9000
      dhcp4: false
      addresses: ["10.1.0.5/24", "fd00::5/64"]
      routes: [{to: "0.0.0.0/0", via: "10.1.0.1"}, {to: "::/0", via: "fd00::1"}]
    "eth1":
      dhcp4: true
`,
    '/etc/systemd/network/10-machinedb-eth0.network': undefined,
  });
  expect(apply({})).toEqual({ '/etc/netplan/90-machinedb.yaml': undefined });
});

/** Notes commands, and answers by their first words. */
function recorder(answers: Record<string, { status?: number | null; stdout?: string }> = {}) {
  const commands: string[] = [];
  const run: Run = (command, args) => {
    const text = [command, ...args].join(' ');
    commands.push(text);
    const [, answer] = Object.entries(answers).find(([start]) => text.startsWith(start)) ?? [];
    return { status: 0, stdout: '', stderr: 'refused', ...answer };
  };
  return { commands, run };
}

test('each renderer is told, and what it refuses is thrown', () => {
  const networkd = recorder();
  reloadNetwork(networkd.run, root, ['eth0', 'eth1']);
  expect(networkd.commands).toEqual([
    'networkctl reload',
    'networkctl reconfigure eth0',
    'networkctl reconfigure eth1',
  ]);
  const without = recorder();
  reloadNetwork(without.run, root, []);
  expect(without.commands).toEqual(['systemctl try-restart systemd-resolved.service', 'networkctl reload']);
  netplanIsUsed();
  const netplan = recorder({ 'netplan generate': { status: 1 } });
  expect(() => reloadNetwork(netplan.run, root, ['eth0'])).toThrow('netplan generate failed (1): refused');
  expect(netplan.commands).toEqual(['netplan generate']);
});

test.each([
  ['ping 10.1.0.1 answers', {}, undefined],
  [
    'it does not, but ARP does',
    { ping: { status: 1 }, ip: { stdout: '10.1.0.1 lladdr 52:54:00:00:00:02 STALE' } },
    undefined,
  ],
  [
    'IPv4 is silent',
    { ping: { status: 1 }, 'ip -4': { stdout: '10.1.0.1 INCOMPLETE' } },
    'gateway 10.1.0.1 does not answer ARP on eth0',
  ],
  [
    'IPv6 is silent',
    { 'ping -c 1 -W 2 -I eth0 fd00::1': { status: 1 }, 'ip -6': { stdout: 'fd00::1 FAILED' } },
    'gateway fd00::1 does not answer neighbour discovery on eth0',
  ],
])('gateways: %s', (_, answers, reason) => {
  expect(silentGateway(recorder(answers).run, STATIC)).toBe(reason);
});
