import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { recorder } from '../../testing/recorder.ts';
import { linksOf, linksToRemove } from './links.ts';
import { configureAgain, leaveNetwork, reloadNetwork } from './reload.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-reload-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** So that a DHCP client that ifup starts is not this process's child. */
const outside = 'systemd-run --quiet --wait --pipe --collect --property=KillMode=process';
const change = { interfaces: ['eth0', 'bond0'], unchanged: ['eth0'], remove: ['bond1'], remake: false };

test('networkd: links that go, then all files, then the interfaces whose files stayed', () => {
  const { run, commands } = recorder();
  reloadNetwork(root, run, { ...change, renderer: 'networkd' });
  expect(commands).toEqual(['ip link delete dev bond1', 'networkctl reload', 'networkctl reconfigure eth0']);
});

test('networkd reads a link that it has made once: it is restarted when one is made anew', () => {
  const { run, commands } = recorder();
  reloadNetwork(root, run, { ...change, renderer: 'networkd', remake: true });
  expect(commands.slice(0, 2)).toEqual(['ip link delete dev bond1', 'systemctl restart systemd-networkd.service']);
});

test("name servers without interfaces are systemd-resolved's", () => {
  const { run, commands } = recorder();
  reloadNetwork(root, run, { renderer: 'networkd', interfaces: [], unchanged: [], remove: [], remake: false });
  expect(commands).toEqual(['systemctl try-restart systemd-resolved.service', 'networkctl reload']);
});

test('what netplan refuses is thrown', () => {
  const { run, commands } = recorder({ 'netplan generate': { status: 1, stderr: 'refused' } });
  expect(() => reloadNetwork(root, run, { ...change, renderer: 'netplan' })).toThrow(
    'netplan generate failed (1): refused',
  );
  expect(commands).toEqual(['ip link delete dev bond1', 'netplan generate']);
});

test('ifupdown takes down what its file says before that changes, the upper links first, and then all up', () => {
  mkdirSync(join(root, 'etc/network/interfaces.d'), { recursive: true });
  writeFileSync(join(root, 'etc/network/interfaces.d/machinedb'), 'auto lo\nauto bond0\nauto bond0.7\n');
  const { run, commands } = recorder();
  leaveNetwork(root, run, 'ifupdown');
  reloadNetwork(root, run, { ...change, renderer: 'ifupdown' });
  expect(commands).toEqual([
    `${outside} ifdown --force bond0.7`,
    `${outside} ifdown --force bond0`,
    'ip link delete dev bond1',
    'systemctl try-restart systemd-resolved.service',
    `${outside} ifup --all`,
  ]);
});

test('ifupdown2 finds out by itself what changed; it has the folder that it writes to', () => {
  mkdirSync(join(root, 'usr/share/ifupdown2'), { recursive: true });
  const { run, commands } = recorder();
  leaveNetwork(root, run, 'ifupdown');
  reloadNetwork(root, run, { ...change, renderer: 'ifupdown' });
  expect(commands).toEqual([
    'ip link delete dev bond1',
    'systemctl try-restart systemd-resolved.service',
    'systemctl daemon-reload',
    `${outside} ifreload -a`,
  ]);
  expect(readdirSync(join(root, 'etc/iproute2'))).toEqual(['rt_tables.d']);
});

test('a link is made anew when what it is changes, not when its members or addresses do', () => {
  const bond = { kind: 'bond', bond: { mode: 'active-backup', members_up: 2 }, members: { eth0: true } } as const;
  const before = linksOf({ bond0: bond, v7: { kind: 'vlan', vlan: 7, parent: 'bond0' }, eth0: {} });
  const after = linksOf({
    bond0: { ...bond, bond: { ...bond.bond, members_up: 1 }, addresses: { '10.1.0.5/24': {} } },
    v7: { kind: 'vlan', vlan: 8, parent: 'bond0' },
    br0: { kind: 'bridge', stp: false },
  });
  expect(linksToRemove(before, after)).toEqual(['v7']);
  expect(linksToRemove(after, before)).toEqual(['v7', 'br0']);
});

test('what networkd has given up is configured once more; ifupdown does nothing by itself', () => {
  const { run, commands } = recorder();
  for (const renderer of ['networkd', 'netplan', 'ifupdown'] as const) configureAgain(run, renderer, ['bond0.100']);
  expect(commands).toEqual(['networkctl reconfigure bond0.100', 'networkctl reconfigure bond0.100']);
});
