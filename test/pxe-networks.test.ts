import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readLeases } from '../pxe/dhcp/lease-file.ts';
import { startHarness } from './harness.ts';
import { root } from './program.ts';
import { fixture, folder, lease, network, openRack, startPart, udhcpc } from './pxe-network.ts';

const command = join(root, 'machinedb/bin/machinedb');

test('a machine behind a relay agent gets an address of its own network, also when the service starts anew', async () => {
  const net = network();
  const directory = folder();
  const subnets = [
    { cidr: '10.88.1.0/24', relays: ['10.88.1.1'], pool: { first: '10.88.1.100', last: '10.88.1.150' }, ports: [] },
  ];
  const service = await startPart(net.name, 'serve', { directory, subnets });
  const machine = await openRack(net);
  const neighbour = net.join('10.79.0.5/24');
  const first = lease(await machine('busybox', udhcpc));
  expect(first).toBe('10.88.1.100');
  expect(service.lines).toContainEqual({
    ...{ mac: expect.any(String), address: first, file: '', relay: '10.88.1.1', circuit: 'ge-0/0/7', message: 'DHCP' },
  });
  expect(lease(await neighbour('busybox', udhcpc))).toMatch(/^10\.79\.0\./);
  await service.end();
  expect(readdirSync(directory).filter((file) => file.startsWith('leases'))).toEqual([
    'leases-10.88.1.0-24.json',
    'leases.json',
  ]);
  const known = '52:54:00:00:00:77';
  const wanted = { [known]: ['10.79.0.77/24', '10.88.1.77/24'] };
  const again = await startPart(net.name, 'serve', { directory, subnets, wanted });
  // It goes on with its lease: asked from its address, past the relay agent, by ISC's client.
  const file = join(directory, 'dhclient');
  const script = join(directory, 'script');
  writeFileSync(
    script,
    `#!/bin/sh\ncase $reason in BOUND|RENEW|REBOOT) ip addr replace $new_ip_address/24 dev eth0; ip route replace default via 10.88.1.1;; esac\n`,
    { mode: 0o755 },
  );
  const files = ['-lf', file, '-pf', `${file}.pid`, '-sf', script];
  expect((await machine('dhclient', ['-1', '-v', ...files, 'eth0'])).stderr).toContain(`bound to ${first}`);
  expect((await machine('dhclient', ['-r', '-v', ...files, 'eth0'])).code).toBe(0);
  await expect.poll(() => readLeases(join(directory, 'leases-10.88.1.0-24.json'))).toEqual({});
  // A machine that is known has the address that is wanted of it in the network where it is.
  await machine('ip', ['addr', 'flush', 'dev', 'eth0']);
  await machine('ip', ['link', 'set', 'eth0', 'address', known]);
  expect(lease(await machine('busybox', udhcpc))).toBe('10.88.1.77');
  await again.end();
}, 120_000);

test('machines make themselves an address by our router advertisements, which end with us', async () => {
  const net = network();
  execFileSync('ip', ['-n', net.name, 'addr', 'add', 'fd79::1/64', 'dev', 'br0', 'nodad']);
  const advertise = { prefix: 'fd79::/64', dns: ['fd79::53'] };
  const service = await startPart(net.name, 'serve', { directory: folder(), advertise });
  const machine = net.join('10.79.0.5/24');
  await expect
    .poll(async () => (await machine('ip', ['-6', 'addr', 'show', 'dev', 'eth0'])).stdout, { timeout: 30_000 })
    .toMatch(/inet6 fd79::\S+\/64 scope global .*dynamic/);
  const heard = async () => (await machine('rdisc6', ['-1', 'eth0'])).stdout;
  await expect.poll(heard, { timeout: 30_000 }).toMatch(/Router lifetime\s*:\s*0 /);
  const told = await heard();
  expect(told).toMatch(/Prefix\s*:\s*fd79::\/64/);
  expect(told).toMatch(/Recursive DNS server\s*:\s*fd79::53/);
  expect((await machine('ip', ['-6', 'route', 'show', 'default'])).stdout).toBe('');
  const running = () => execFileSync('ip', ['netns', 'pids', net.name], { encoding: 'utf8' }).trim();
  const sender = () =>
    running()
      .split('\n')
      .find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'dnsmasq\n');
  const first = sender();
  process.kill(Number(first), 'SIGKILL');
  const another = (pid: string | undefined) => pid !== undefined && pid !== first;
  await expect.poll(() => another(sender()), { timeout: 20_000 }).toBe(true);
  expect(service.lines.map(({ message }) => message)).toContain(
    'router advertisements ended by themselves: begun again',
  );
  service.child.kill('SIGKILL');
  await expect.poll(running, { timeout: 10_000 }).toBe('');
  const other = { directory: folder(), advertise: { prefix: 'fd80::/64', dns: [] } };
  const refused = await net.run(process.execPath, [fixture, 'serve', JSON.stringify(other)]);
  expect(refused.stderr).toContain(
    'MACHINEDB_PXE_RA is fd80::/64, but interface br0 has no address in it: give it one (ip address add fd80::1/64 dev br0), or unset it',
  );
}, 120_000);

test('the daemon takes all of it from its settings, and pxe check knows the daemon that runs', async () => {
  const net = network();
  const ip = (...args: string[]) => execFileSync('ip', ['-n', net.name, ...args]);
  ip('addr', 'add', 'fd79::1/64', 'dev', 'br0', 'nodad');
  ip('link', 'add', 'proxy0', 'type', 'veth', 'peer', 'name', 'proxy1');
  ip('addr', 'add', '10.79.9.1/24', 'dev', 'proxy0');
  for (const link of ['proxy0', 'proxy1']) ip('link', 'set', link, 'up');
  const machine = await openRack(net);
  const neighbour = net.join('10.79.0.5/24');
  const file = join(folder(), 'subnets.json');
  const described = { cidr: '10.88.1.0/24', relays: ['10.88.1.1'], pool: '10.88.1.100-10.88.1.150' };
  writeFileSync(file, JSON.stringify([described]));
  const first = {
    ...{ MACHINEDB_PXE: 'br0', MACHINEDB_PXE_DHCP: 'full', MACHINEDB_PXE_SUBNETS: file },
    ...{ MACHINEDB_PXE_RA: 'fd79::/64', MACHINEDB_PXE_RA_DNS: 'fd79::53' },
  };
  const harness = await startHarness({
    ...{ inside: net.inside, host: '10.79.0.1', first },
    environment: { MACHINEDB_PXE: 'proxy0', MACHINEDB_PXE_DHCP: 'proxy' },
  });
  onTestFinished(harness.close);
  expect(lease(await machine('busybox', udhcpc))).toBe('10.88.1.100');
  expect(lease(await neighbour('busybox', udhcpc))).toMatch(/^10\.79\.0\.(12[89]|1[3-9]\d|2\d\d)$/);
  const told = async () => (await neighbour('rdisc6', ['-1', 'eth0'])).stdout;
  await expect.poll(told, { timeout: 30_000 }).toMatch(/Recursive DNS server\s*:\s*fd79::53/);
  expect((await net.run('busybox', ['netstat', '-lun'])).stdout).toContain('10.79.9.1:4011 ');
  const { stateDirectory } = harness.daemons[0];
  const look = (state: string) =>
    net.run(command, ['pxe', 'check', '--json', '--wait', '0'], { ...first, MACHINEDB_STATE: state });
  const ports = async (state: string) =>
    (JSON.parse((await look(state)).stdout) as { findings: { check: string; what: string }[] }).findings
      .filter(({ check }) => check === 'ports')
      .map(({ what }) => what);
  expect(await ports(stateDirectory)).toEqual([]);
  expect(await ports(join(folder(), 'other'))).toEqual([
    'UDP 10.79.0.1:67 (DHCP) is shared with another program',
    'UDP 10.79.0.1:69 (TFTP) is taken',
    'TCP 10.79.0.1:4281 (boot files) is taken',
  ]);
}, 180_000);
