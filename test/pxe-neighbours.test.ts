import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, runProgram } from './program.ts';
import { fixture, folder, lease, NEIGHBOUR, network, start, startNeighbour, startPart, udhcpc } from './pxe-network.ts';

const command = join(root, 'machinedb/bin/machinedb');

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
