import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { readLeases } from '../pxe/dhcp/lease-file.ts';
import { startHarness } from './harness.ts';
import { type LabNetwork, openNetwork } from './lab/network.ts';
import { type Ended, root, runProgram } from './program.ts';

const fixture = join(root, 'test/pxe.fixture.ts');
const command = join(root, 'machinedb/bin/machinedb');
const NEIGHBOUR = '10.79.0.9';

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-pxe-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function network(): LabNetwork {
  const opened = openNetwork('10.79.0.1/24', { router: false });
  onTestFinished(opened.close);
  return opened;
}

interface Running {
  child: ChildProcess;
  /** What it said, a line each. */
  lines: Record<string, unknown>[];
  end(): Promise<void>;
}

/** Starts a program in a namespace; it ends with the test. */
function start(place: string, program: string, args: string[]): Running {
  const child = spawn('ip', ['netns', 'exec', place, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: Record<string, unknown>[] = [];
  const told = (line: string) => lines.push(line.startsWith('{') ? JSON.parse(line) : { message: line });
  for (const stream of [child.stdout!, child.stderr!]) createInterface({ input: stream }).on('line', told);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const end = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  onTestFinished(end);
  return { child, lines, end };
}

/** Starts a part of test/pxe.fixture.ts, and waits until it works. */
async function startPart(place: string, part: string, options: object): Promise<Running> {
  const running = start(place, process.execPath, [fixture, part, JSON.stringify(options)]);
  await expect.poll(() => running.lines, { timeout: 30_000 }).toContainEqual({ message: 'ready' });
  return running;
}

/** A network behind a router that is a relay agent: 10.88.1.0/24. Answers what runs a program on a machine in it. */
async function openRack(net: LabNetwork): Promise<(program: string, args: string[]) => Promise<Ended>> {
  const [router, machine] = [`${net.name}-router`, `${net.name}-machine`];
  const ip = (...args: string[]) => execFileSync('ip', args);
  for (const place of [router, machine]) {
    ip('netns', 'add', place);
    onTestFinished(() => void ip('netns', 'delete', place));
  }
  ip('-n', net.name, 'link', 'add', 'rack', 'type', 'veth', 'peer', 'name', 'core0', 'netns', router);
  ip('-n', net.name, 'link', 'set', 'rack', 'master', 'br0', 'up');
  ip('-n', router, 'link', 'add', 'rack0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', machine);
  ip('-n', router, 'addr', 'add', '10.79.0.2/24', 'dev', 'core0');
  ip('-n', router, 'addr', 'add', '10.88.1.1/24', 'dev', 'rack0');
  for (const link of ['core0', 'rack0', 'lo']) ip('-n', router, 'link', 'set', link, 'up');
  ip('-n', machine, 'link', 'set', 'eth0', 'up');
  ip('-n', net.name, 'route', 'add', '10.88.1.0/24', 'via', '10.79.0.2');
  ip('netns', 'exec', router, 'busybox', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
  await startPart(router, 'relay', { own: '10.88.1.1', server: '10.79.0.1', circuit: 'ge-0/0/7' });
  return (program, args) => runProgram('ip', ['netns', 'exec', machine, program, ...args], {});
}

const lease = (ended: Ended) => /lease of (\S+) obtained/.exec(ended.stdout + ended.stderr)?.[1];
const udhcpc = ['udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '8', '-T', '1', '-s', '/bin/true'];

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

/** dnsmasq as a DHCP server that is not ours. */
async function startNeighbour(net: LabNetwork, ...more: string[]): Promise<void> {
  const place = `${net.name}-neighbour`;
  execFileSync('ip', ['netns', 'add', place]);
  onTestFinished(() => void execFileSync('ip', ['netns', 'delete', place]));
  const ip = (...args: string[]) => execFileSync('ip', args);
  ip('-n', net.name, 'link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', place);
  ip('-n', net.name, 'link', 'set', 'other', 'master', 'br0', 'up');
  ip('-n', place, 'addr', 'add', `${NEIGHBOUR}/24`, 'dev', 'eth0');
  ip('-n', place, 'link', 'set', 'eth0', 'up');
  const dnsmasq = start(place, 'dnsmasq', [
    ...['-k', '-C', '/dev/null', '--port=0', '--interface=eth0', '--user=root', '--pid-file=', '--log-facility=-'],
    ...['--dhcp-leasefile=/dev/null', '--dhcp-range=10.79.0.20,10.79.0.30,10m', ...more],
  ]);
  const said = () => dnsmasq.lines.map(({ message }) => message).join('\n');
  await expect.poll(said, { timeout: 20_000 }).toContain('DHCP, IP range');
}

test('beside another server machines have its addresses and our boot file, and we keep nothing', async () => {
  const net = network();
  await startNeighbour(net);
  const directory = folder();
  const service = await startPart(net.name, 'serve', { directory, dhcp: 'proxy' });
  net.join('10.79.0.5/24');
  const machine = `${net.name}-0`;
  const { stdout } = await runProgram('ip', ['netns', 'exec', machine, process.execPath, fixture, 'probe'], {});
  const offers = JSON.parse(stdout) as { server: string; address?: string; bootFile?: string }[];
  expect(offers).toHaveLength(2);
  expect(offers).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ server: NEIGHBOUR, address: expect.stringMatching(/^10\.79\.0\.[23]\d$/) }),
      { server: '10.79.0.1', nextServer: '10.79.0.1', bootFile: 'undionly.kpxe' },
    ]),
  );
  await expect
    .poll(() => service.lines, { timeout: 20_000 })
    .toContainEqual({
      server: NEIGHBOUR,
      network: '10.79.0.1/24',
      message: 'this DHCP server gives the addresses here',
    });
  const run = (program: string, args: string[]) => runProgram('ip', ['netns', 'exec', machine, program, ...args], {});
  expect(lease(await run('busybox', udhcpc))).toMatch(/^10\.79\.0\.[23]\d$/);
  const ports = (await net.run('busybox', ['netstat', '-lun'])).stdout;
  for (const port of [67, 69, 4011]) expect(ports).toContain(`10.79.0.1:${port} `);
  expect(readdirSync(directory)).toEqual(['tftp']);
}, 120_000);

test('15 a server that competes is named by what it offers, though no machine has chosen it yet', async () => {
  const net = network();
  await startNeighbour(net, '--dhcp-boot=pxelinux.0,,10.79.0.8');
  const service = await startPart(net.name, 'serve', { directory: folder() });
  await expect
    .poll(() => service.lines.find(({ server }) => server === NEIGHBOUR), { timeout: 30_000 })
    .toEqual({
      ...{ server: NEIGHBOUR, network: '10.79.0.1/24', address: expect.stringMatching(/^10\.79\.0\.[23]\d$/) },
      ...{ nextServer: '10.79.0.8', bootFile: 'pxelinux.0' },
      message: 'another DHCP server answers in this network: machines may follow it',
    });
}, 60_000);

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

test('machinedb pxe check finds faults before machines do', async () => {
  const net = network();
  const state = join(folder(), 'state');
  const check = async (environment: Record<string, string>, ...args: string[]) =>
    await net.run(command, ['pxe', 'check', 'br0', ...args], { MACHINEDB_STATE: state, ...environment });
  // A bridge has a carrier when something is joined to it.
  net.join('10.79.0.5/24');
  expect(await check({})).toEqual({
    code: 0,
    stdout: 'no fault found; looked at: interface, ports, dhcp, next-server, certificate, clock, disk, loaders\n',
    stderr: '',
  });
  await startNeighbour(net, '--dhcp-boot=pxelinux.0,,10.79.0.8');
  const tftp = start(net.name, 'dnsmasq', [
    ...['-k', '-C', '/dev/null', '--port=0', '--enable-tftp', '--tftp-root=/usr/lib/ipxe', '--user=root'],
    ...['--interface=br0', '--bind-interfaces', '--pid-file=', '--log-facility=-'],
  ]);
  await expect.poll(() => tftp.lines.map(({ message }) => message).join(), { timeout: 20_000 }).toContain('TFTP');
  await startPart(net.name, 'past', {});
  const wrong = { MACHINEDB_PXE_LOADERS: '/nosuch', MACHINEDB_URL: 'http://10.79.0.1:4290' };
  const found = await check(wrong, '--json');
  expect(found).toMatchObject({ code: 1, stderr: 'machinedb: 7 of 7 findings keep machines from booting\n' });
  const { interface: name, findings } = JSON.parse(found.stdout) as {
    interface: string;
    findings: Record<string, string>[];
  };
  expect([name, ...findings.map(({ check, what, cause }) => `${check}: ${what} (${cause})`)]).toEqual([
    'br0',
    expect.stringMatching(/^ports: UDP 10\.79\.0\.1:69 \(TFTP\) is taken \(dnsmasq \(process \d+\) has it\)$/),
    expect.stringMatching(
      /^dhcp: another DHCP server answers here: 10\.79\.0\.9 \(it offered 10\.79\.0\.[23]\d to a question/,
    ),
    'next-server: 10.79.0.9 names another boot file than ours: pxelinux.0 (machines may fetch it from 10.79.0.8 instead of 10.79.0.1)',
    expect.stringMatching(
      /^clock: the clock is \d+ s ahead of the server's \(it says .* and 2020-01-01T00:00:00.000Z there/,
    ),
    'loaders: the loader /nosuch/undionly.kpxe is missing (machines fetch it by TFTP first of all)',
    'loaders: the loader /nosuch/snponly.efi is missing (machines fetch it by TFTP first of all)',
    'loaders: the loader /nosuch/ipxe.efi is missing (machines fetch it by TFTP first of all)',
  ]);
  const beside = await check({ MACHINEDB_PXE_DHCP: 'proxy' });
  expect(beside.stdout).not.toContain('another DHCP server');
  expect(beside.stdout).toContain(
    `error  next-server: ${NEIGHBOUR} names another boot file than ours: pxelinux.0\n  cause: machines may fetch it from 10.79.0.8 instead of 10.79.0.1\n  way out: take next-server (siaddr, option 66)`,
  );
  expect(await check({ MACHINEDB_PXE_DHCP: 'half' })).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'machinedb: settings are wrong; correct them in the environment:\n  MACHINEDB_PXE_DHCP: expected full or proxy\n',
  });
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
