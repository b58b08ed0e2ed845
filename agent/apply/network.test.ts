import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { header } from './change.ts';
import { writeFile } from './files.ts';
import { planNetwork } from './network.ts';

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

function ifupdownIsUsed(): void {
  put('/sbin/ifup', '');
  put('/etc/systemd/system/multi-user.target.wants/networking.service', '');
  put('/etc/network/interfaces', 'source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n');
}

/** Applies, and gives what was written; undefined: removed. */
function apply(wanted: NetworkWanted): Record<string, string | undefined> {
  const changes = planNetwork(root, wanted, macs);
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  expect(planNetwork(root, wanted, macs)).toEqual([]);
  return Object.fromEntries(changes.map(({ path, after }) => [path, after]));
}

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

test('another renderer: none of our files are left for the one before', () => {
  resolvedRuns();
  apply({ interfaces: { eth0: {} } });
  netplanIsUsed();
  const changes = apply({ interfaces: STATIC.interfaces! });
  expect(Object.keys(changes)).toEqual([
    '/etc/netplan/90-machinedb.yaml',
    '/etc/systemd/network/10-machinedb-eth0.network',
  ]);
  expect(changes['/etc/systemd/network/10-machinedb-eth0.network']).toBeUndefined();
  expect(apply({})).toEqual({ '/etc/netplan/90-machinedb.yaml': undefined });
});

test('ifupdown: its file, and name servers elsewhere', () => {
  ifupdownIsUsed();
  resolvedRuns();
  expect(Object.keys(apply(STATIC))).toEqual([
    '/etc/network/interfaces.d/machinedb',
    '/etc/systemd/resolved.conf.d/10-machinedb.conf',
  ]);
});

test('ifupdown2: its unit, which Debian lets start at any time, waits for ports and for an undo at boot', () => {
  ifupdownIsUsed();
  put('/usr/share/ifupdown2/__main__.py', '');
  const unit = '/etc/systemd/system/networking.service.d/10-machinedb.conf';
  const devices = 'sys-subsystem-net-devices-eth0.device sys-subsystem-net-devices-eth1.device';
  const text = apply(STATIC)[unit];
  expect(text).toContain(`\nWants=network-pre.target ${devices}\n`);
  expect(text).toContain(` systemd-udev-trigger.service network-pre.target ${devices}\nBefore=network.target\n`);
  expect(apply({})).toEqual({ '/etc/network/interfaces.d/machinedb': undefined, [unit]: undefined });
});

test.each([
  'sockets.target.wants/systemd-networkd.socket',
  'network-online.target.wants/systemd-networkd-wait-online.service',
])('a networkd that %s starts is the renderer, ifupdown or not', (link) => {
  ifupdownIsUsed();
  put('/usr/lib/systemd/systemd-networkd', '');
  put(`/etc/systemd/system/${link}`, '');
  expect(Object.keys(apply({ interfaces: { eth0: {} } }))).toEqual(['/etc/systemd/network/10-machinedb-eth0.network']);
});

test('ifupdown: what another file says of an interface is refused, with the way out', () => {
  ifupdownIsUsed();
  put('/etc/network/interfaces.d/cloud', 'auto eth0\niface eth0 inet dhcp\n');
  expect(() => planNetwork(root, STATIC, {})).toThrow(
    '/etc/network/interfaces.d/cloud configures eth0, too: remove its lines there, so that the intent alone does',
  );
  put('/etc/network/interfaces', 'auto lo\niface lo inet loopback\n');
  expect(() => planNetwork(root, STATIC, {})).toThrow(
    '/etc/network/interfaces does not read interfaces.d: add the line "source /etc/network/interfaces.d/*"',
  );
});

test('116 a name that would be a command of ifupdown is refused', () => {
  ifupdownIsUsed();
  expect(() => planNetwork(root, { interfaces: { 'x$(reboot)': {} } }, {})).toThrow(
    'interface "x$(reboot)" has a name that ifupdown cannot take: rename it, or use networkd',
  );
});

test('the renderer that is set is taken, if it is installed', () => {
  netplanIsUsed();
  put('/lib/systemd/systemd-networkd', '');
  const wanted: NetworkWanted = { interfaces: { eth0: {} }, unobserved: { renderer: 'networkd' } };
  expect(Object.keys(apply(wanted))).toEqual(['/etc/systemd/network/10-machinedb-eth0.network']);
  expect(() => planNetwork(root, { ...wanted, unobserved: { renderer: 'ifupdown' } }, {})).toThrow(
    'ifupdown is to configure the network, and is not installed: install ifupdown or ifupdown2',
  );
});
