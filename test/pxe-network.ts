import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';
import { type LabNetwork, openNetwork } from './lab/network.ts';
import { type Ended, root, runProgram } from './program.ts';

export const fixture = join(root, 'test/pxe.fixture.ts');
/** Where startNeighbour() puts the other server. */
export const NEIGHBOUR = '10.79.0.9';

export function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-pxe-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function network(): LabNetwork {
  const opened = openNetwork('10.79.0.1/24', { router: false });
  onTestFinished(opened.close);
  return opened;
}

export interface Running {
  child: ChildProcess;
  /** What it said, a line each. */
  lines: Record<string, unknown>[];
  end(): Promise<void>;
}

/** Starts a program in a namespace; it ends with the test. */
export function start(place: string, program: string, args: string[]): Running {
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
export async function startPart(place: string, part: string, options: object): Promise<Running> {
  const running = start(place, process.execPath, [fixture, part, JSON.stringify(options)]);
  await expect.poll(() => running.lines, { timeout: 30_000 }).toContainEqual({ message: 'ready' });
  return running;
}

/** A network behind a router that is a relay agent: 10.88.1.0/24. Answers what runs a program on a machine in it. */
export async function openRack(net: LabNetwork): Promise<(program: string, args: string[]) => Promise<Ended>> {
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

export const lease = (ended: Ended) => /lease of (\S+) obtained/.exec(ended.stdout + ended.stderr)?.[1];
export const udhcpc = ['udhcpc', '-i', 'eth0', '-n', '-q', '-f', '-t', '8', '-T', '1', '-s', '/bin/true'];

/** dnsmasq as a DHCP server that is not ours. */
export async function startNeighbour(net: LabNetwork, ...more: string[]): Promise<void> {
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
