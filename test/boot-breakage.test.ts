import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Installed, installedDisk, powerOnInstalled, setCable } from './lab/installed.ts';
import type { Guest } from './lab/qemu.ts';
import { fabric, openRack, putVlan, type Rack } from './lab/rack.ts';
import { TAKEN } from './lab/top-of-rack.ts';
import { until } from './lab/until.ts';

let rack: Rack;
let machine: Installed;
let taps: string[];
let guest: Guest;
let node: string;
/** The node's address in VLAN 100, by which the server and operators reach it. */
let host: string;

/** Seconds that a change has to be confirmed. */
const DEADLINE_S = 20;
/** The role's intent with the address that the node has: an address that was asked for by hand is kept when nobody asks any more. */
const interfaces = () => ({ ...fabric.interfaces, 'bond0.100': inVlan100(host) });
const inVlan100 = (address: string) => ({
  ...fabric.interfaces['bond0.100'],
  addresses: { main: { network: 'v100', address } },
});
const well = () => intend({ interfaces: interfaces() });
const intend = (network: object) => rack.intend('fabric', 'network', { confirm_within_s: DEADLINE_S, ...network });

beforeAll(async () => {
  rack = await openRack();
  const { site } = rack;
  const installed = await installedDisk(site, 'breakage', 'bookworm', {});
  machine = { ...installed, serial: 'BREAK-1', macs: ['52:54:00:4d:05:01', '52:54:00:4d:06:01'] };
  taps = [site.network.tap(), site.network.tap()];
  guest = powerOnInstalled(site, machine, taps);
  // The first change, of a machine that is still booting, has the rack's longer time.
  node = await rack.admit('BREAK-1', 'web.lab.example.org');
  host = (await rack.addresses(node))[100]!;
  await well();
}, 900_000);
afterAll(async () => {
  await guest?.close();
  await rack?.close();
});

const FILES = 'cat /etc/systemd/network/10-machinedb-*; ip -4 -br addr | sort; ip route | sort';
/** What the node's last change came to. */
const told = async () => (await rack.findings(node)).find(({ path }) => path === '/apply')?.message ?? '';

/** Breaks the intent; the node undoes that and says why; mended, it is well again. */
async function broken(breaks: () => Promise<unknown>, why: RegExp, mends: () => Promise<unknown>): Promise<void> {
  const before = await rack.ssh(host, FILES);
  try {
    await breaks();
    await until(told, (message) => why.test(message), { ms: 90_000 });
    expect(await rack.ssh(host, FILES)).toBe(before);
  } finally {
    await mends();
  }
  await until(told, (message) => message === '', { ms: 120_000 });
  await releaseOrphans();
  await until(
    async () => (await rack.show(node)).health,
    (health) => health === 'ok',
    { ms: 120_000 },
  );
}

/** What the broken intent asked for is given back: nothing intends it any more. */
async function releaseOrphans(): Promise<void> {
  for (const { message } of await rack.findings(node)) {
    const [, address, network] = /^address (\S+) of network (\S+) is no longer intended/.exec(message) ?? [];
    if (address !== undefined) await rack.site.machinedb('network', 'release', network!, address, '--force');
  }
}

test('a wrong gateway', async () => {
  await broken(
    () => putVlan(rack.site, 100, { gateway: '10.88.100.250' }),
    /gateway 10\.88\.100\.250 does not answer ARP on bond0\.100/,
    () => putVlan(rack.site, 100),
  );
}, 300_000);

test('a wrong VLAN: the link that the change made anew is as before', async () => {
  const wrong = { ...inVlan100(host), vlan: { id: 101, parent: 'bond0' } };
  await broken(
    () => intend({ interfaces: { ...interfaces(), 'bond0.100': wrong } }),
    /gateway 10\.88\.100\.1 does not answer ARP on bond0\.100/,
    well,
  );
}, 300_000);

test('a wrong mask: the server is taken for a neighbour', async () => {
  await rack.site.machinedb('network', 'put', 'wide', '--cidr', '10.76.0.0/14');
  const addresses = { ...inVlan100(host).addresses, wide: { network: 'wide' } };
  await broken(
    () => intend({ interfaces: { ...interfaces(), 'bond0.100': { ...inVlan100(host), addresses } } }),
    /the gateway answers, but the server does not: .*; over the configuration before it does: a wrong mask or route/,
    well,
  );
}, 300_000);

test('a firewall in the way of the new address', async () => {
  const { name } = rack.site.network;
  const rule = ['route', 'add', 'blackhole', '10.88.100.66/32'];
  execFileSync('ip', ['-n', name, ...rule]);
  await broken(
    () => intend({ interfaces: { ...interfaces(), 'bond0.100': inVlan100('10.88.100.66') } }),
    /the gateway answers, but the server does not: .*or a firewall is in the way/,
    well,
  );
}, 300_000);

test('an MTU that the switch does not have', async () => {
  const large = { mtu: 9000 };
  const { left, right, bond0, 'bond0.100': vlan, ...rest } = interfaces();
  const all = {
    ...rest,
    left: { ...left, ...large },
    right: { ...right, ...large },
    bond0: { ...bond0, ...large },
    'bond0.100': { ...vlan, ...large },
  };
  await broken(
    () => intend({ interfaces: all }),
    /packets of 9000 bytes do not pass to gateway 10\.88\.100\.1 on bond0\.100, small ones do/,
    well,
  );
}, 300_000);

test('an address that somebody has is seen before it is used', async () => {
  await broken(
    () => intend({ interfaces: { ...interfaces(), 'bond0.100': inVlan100(TAKEN) } }),
    new RegExp(`address ${TAKEN} is in use on bond0\\.100 by 52:54:00:4d:ff:01 already`),
    well,
  );
}, 300_000);

test('name servers that are dead', async () => {
  await broken(
    () => intend({ interfaces: interfaces(), dns: { servers: { '10.88.100.1': true } } }),
    /name server 10\.88\.100\.1 does not answer/,
    well,
  );
}, 300_000);

test('a cable of a bond that is pulled out is told, and nothing is done about it', async () => {
  await setCable(machine, 0, false);
  const found = async () => (await rack.findings(node)).map(({ section, path }) => section + path);
  await until(found, (all) => all.includes('network/interfaces/bond0/bond/members_up'), { ms: 90_000 });
  expect(await told()).toBe('');
  expect(await rack.reaches(host)).toBe(true);
  await setCable(machine, 0, true);
  await until(found, (all) => all.length === 0, { ms: 90_000 });
}, 300_000);

test('the way to the server moves into a VRF and back; a silent gateway in it is undone', async () => {
  const inVrf = { ...interfaces(), mgmt: { vrf_table: 10 }, 'bond0.100': { ...inVlan100(host), vrf: 'mgmt' } };
  const isWell = (vrf: string | undefined) =>
    until(
      async () => {
        const { health, observed } = await rack.show(node);
        const ports = (observed.network as { interfaces: Record<string, { vrf?: string }> }).interfaces;
        const findings = health === 'ok' ? [] : await rack.findings(node);
        return { health, vrf: ports['bond0.100']?.vrf, findings };
      },
      (seen) => seen.health === 'ok' && seen.vrf === vrf,
      { ms: 120_000 },
    );
  await intend({ interfaces: inVrf });
  await isWell('mgmt');
  expect(await rack.reaches(host)).toBe(true);
  await putVlan(rack.site, 100, { gateway: '10.88.100.250' });
  await until(told, (message) => /gateway 10\.88\.100\.250 does not answer ARP on bond0\.100/.test(message), {
    ms: 90_000,
  });
  await putVlan(rack.site, 100);
  await isWell('mgmt');
  await well();
  await isWell(undefined);
  expect(await rack.ssh(host, 'ip -br link show type vrf; cat /proc/$(pidof machinedb-agent)/cgroup')).toBe(
    '0::/system.slice/machinedb-agent.service\n',
  );
}, 400_000);

test('kill -9 of the agent in the middle of a change: the timer brings the old network back, after the usual minute', async () => {
  // Without a time of its own a change has 60 s.
  await rack.intend('fabric', 'network', { interfaces: interfaces() });
  const before = await rack.ssh(host, FILES);
  const pending = '/var/lib/machinedb-agent/pending.json';
  const killing = `while [ ! -e ${pending} ]; do sleep 0.1; done; sleep 1; systemctl kill -s KILL machinedb-agent; systemctl stop machinedb-agent`;
  await rack.ssh(host, `systemd-run --quiet --unit=lab-killer sh -c "${killing}"`);
  await putVlan(rack.site, 100, { gateway: '10.88.100.251' });
  const state = () => rack.ssh(host, 'systemctl is-active machinedb-agent || true').catch(String);
  await until(state, (text) => text === 'failed\n' || text === 'inactive\n', { ms: 120_000 });
  await until(
    () => rack.ssh(host, FILES).catch(String),
    (text) => text === before,
    { ms: 75_000 },
  );
  await putVlan(rack.site, 100);
  await rack.ssh(host, 'systemctl reset-failed machinedb-agent; systemctl start machinedb-agent');
  const reasons = async () => (await rack.acts(node, 'apply.undone')).map(({ reason }) => reason ?? '');
  await until(reasons, (all) => all.some((reason) => reason.includes('ended before the change was confirmed')), {
    ms: 120_000,
  });
  await until(
    async () => (await rack.show(node)).health,
    (health) => health === 'ok',
    { ms: 120_000 },
  );
  await well();
}, 400_000);

test('at the next boot, and with the centre gone: it comes up configured, and is proven when the centre is back', async () => {
  const { harness } = rack.site;
  const moved = { ...interfaces(), 'bond0.100': inVlan100('10.88.100.90') };
  await intend({ interfaces: moved, apply: 'next_boot', confirm_within_s: 300 });
  await until(
    async () => (await rack.acts(node, 'apply.planned')).length,
    (count) => count > 0,
    { ms: 120_000 },
  );
  expect(await rack.reaches('10.88.100.90')).toBe(false);
  const applied = async () => (await rack.acts(node, 'apply.applied')).length;
  const before = await applied();
  await Promise.all([harness.kill(0), harness.kill(1)]);
  await guest.close();
  guest = powerOnInstalled(rack.site, machine, taps);
  await until(
    () => rack.reaches('10.88.100.90'),
    (reached) => reached,
    { ms: 240_000 },
  );
  await Promise.all([harness.start(0), harness.start(1)]);
  await until(applied, (count) => count > before, { ms: 240_000 });
  await releaseOrphans();
  await until(
    async () => (await rack.show(node)).health,
    (health) => health === 'ok',
    { ms: 120_000 },
  );
  expect(await rack.ssh('10.88.100.90', 'ls /var/lib/machinedb-agent')).not.toMatch(/pending|next-boot/);
}, 600_000);
