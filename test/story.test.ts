import { spawn, spawnSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { floorClock } from '../agent/client/clock.ts';
import { runAgent } from '../agent/run.ts';
import { openSystem } from '../agent/system.ts';
import { releasedAt } from '../agent/version.ts';
import { canonical } from '../shared/canonical.ts';
import { startHarness } from './harness.ts';
import { machinedb, root, runProgram, settingsFor } from './program.ts';

const harness = await startHarness();
const [daemon, other] = harness.daemons;
const agent = spawn(
  join(root, 'dist/machinedb-agent'),
  ['run', '--server', daemon.url, '--pin', daemon.pins[0]!, '--state', join(harness.directory, 'agent')],
  { stdio: ['ignore', 'ignore', 'pipe'] },
);
afterAll(async () => {
  agent.kill('SIGTERM');
  await harness.close();
});

async function json<Reply>(args: string[]): Promise<Reply> {
  const { code, stdout, stderr } = await machinedb(other, [...args, '--json']);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout) as Reply;
}

function host(program: string, ...args: string[]): string {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  expect(status).toBe(0);
  return stdout;
}

interface Shown {
  state: string;
  level: string;
  health: string;
  addresses: string[];
  observed: Record<string, Record<string, never>>;
}

const hostnameBefore = readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();
let node = '';

test('this machine enrols by the shipped executable, and gets nothing before its key is approved', async () => {
  const lines = createInterface({ input: agent.stderr });
  const [line] = await new Promise<string[]>((resolve) => lines.once('line', (text) => resolve([text])));
  const [, id, fingerprint] = /node ([0-9a-f-]{36}), its key is (SHA256:\S+?), and waits for approval/.exec(line!)!;
  node = id!;
  await expect
    .poll(async () => Object.keys((await json<Shown>(['show', node])).observed), { timeout: 10_000 })
    .toContain('cpu');
  expect(await json<Shown>(['show', node])).toMatchObject({ state: 'discovered', level: 'claimed' });
  const inventory = await machinedb(other, ['inventory', '--list']);
  expect(JSON.parse(inventory.stdout)).toEqual({ _meta: { hostvars: {} } });

  const wrong = await machinedb(other, ['approve', node, '--fingerprint', 'SHA256:AAAA', '--reason', 'x']);
  expect(wrong).toMatchObject({
    code: 4,
    stdout: '',
    stderr: `machinedb: the key that waits for approval on node ${node} is ${fingerprint}, not SHA256:AAAA: compare with the node's console\n`,
  });
  await json(['approve', node, '--fingerprint', fingerprint!, '--reason', 'seen on its console']);
  await expect.poll(async () => (await json<Shown>(['show', node])).state, { timeout: 10_000 }).toBe('active');
});

test('every fact is what the tools of this machine say', async () => {
  const { observed } = await json<Shown>(['show', node]);
  const { cpu, memory, disks, nics, os, hostname } = observed as never as Record<string, Record<string, never>>;
  const lscpu = JSON.parse(host('lscpu', '-J')) as { lscpu: { field: string; data: string; children?: never[] }[] };
  const flat = (entries: { field: string; data: string; children?: never[] }[]): [string, string][] =>
    entries.flatMap((entry) => [[entry.field, entry.data] as [string, string], ...flat(entry.children ?? [])]);
  const said = Object.fromEntries(flat(lscpu.lscpu));
  expect(cpu).toMatchObject({
    vendor: said['Vendor ID:'],
    model: said['Model name:'],
    sockets: Number(said['Socket(s):']),
    cores: Number(said['Core(s) per socket:']) * Number(said['Socket(s):']),
    threads: Number(said['CPU(s):']),
  });
  const total = /MemTotal:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))![1];
  expect(memory!.total_bytes).toBe(Number(total) * 1024);
  const blocks = (
    JSON.parse(host('lsblk', '-J', '-b', '-d', '-o', 'NAME,SIZE,ROTA,TYPE,MODEL,SERIAL')) as {
      blockdevices: { name: string; size: number; rota: boolean; type: string }[];
    }
  ).blockdevices;
  const expectedDisks = blocks
    .filter(({ type, name }) => type === 'disk' && !/^(zram|nbd|ram)/.test(name))
    .map(({ name, size, rota }) => ({ name, size_bytes: size, rotational: rota }));
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  expect(
    Object.values(disks ?? {})
      .map(({ name, size_bytes, rotational }) => ({ name, size_bytes, rotational }))
      .sort(byName),
  ).toEqual(expectedDisks.sort(byName));
  const links = JSON.parse(host('ip', '-j', 'link')) as { ifname: string; address: string; mtu: number }[];
  const physical = links.filter(({ ifname }) => existsSync(`/sys/class/net/${ifname}/device`));
  const ports = Object.values(nics ?? {}) as { name: string; mac: string; mtu: number }[];
  expect(ports.map(({ name, mac, mtu }) => ({ name, mac, mtu })).sort(byName)).toEqual(
    physical.map(({ ifname, address, mtu }) => ({ name: ifname, mac: address, mtu })).sort(byName),
  );
  expect(os!.kernel).toBe(host('uname', '-r').trim());
  expect(hostname!.hostname).toBe(host('uname', '-n').trim());
});

test('an SRE gives it place, role, tags, name and address in one go, seen before it is done', async () => {
  for (const args of [
    ['site', 'put', 'ams1'],
    ['rack', 'put', 'ams1', 'r1', '--height', '42'],
    ['role', 'put', 'web'],
    ['network', 'put', 'mgmt', '--cidr', '10.20.0.0/24', '--gateway', '10.20.0.1'],
  ]) {
    await json(args);
  }
  const assign = [
    'assign',
    node,
    '--site',
    'ams1',
    '--rack',
    'r1',
    '--unit',
    '12',
    '--role',
    'web',
    '--tags',
    'blue,green',
    '--fqdn',
    'web1.example.net',
    '--network',
    'mgmt',
    '--reason',
    'first node',
  ];
  const preview = await json<{ applied: boolean; affected: number }>([...assign, '--dry-run']);
  expect(preview).toMatchObject({ applied: false, affected: 1 });
  expect((await json<Shown>(['show', node])).addresses).toEqual([]);
  const before = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await json([...assign, '--yes']);
  const shown = await json<Shown>(['show', 'web1.example.net']);
  expect(shown).toMatchObject({
    site: 'ams1',
    rack: 'r1',
    unit: 12,
    role: 'web',
    tags: ['blue', 'green'],
    addresses: ['10.20.0.2/24'],
    health: 'drifted',
  });
  const then = await harness.call('getNode', { params: { node }, query: { as_of: before } });
  expect(then).toMatchObject({ tags: [], addresses: [], state: 'active' });
  expect(then.site).toBeUndefined();
});

test('Ansible shows the host in its groups with its address', async () => {
  const script = join(root, 'machinedb/integrations/ansible/machinedb-inventory');
  const { code, stdout } = await runProgram('ansible-inventory', ['-i', script, '--list'], {
    ...settingsFor(other),
    HOME: harness.directory,
    ANSIBLE_LOCALHOST_WARNING: 'False',
    LC_ALL: 'C.UTF-8',
  });
  expect(code).toBe(0);
  const inventory = JSON.parse(stdout) as Record<string, { hosts?: string[] }> & {
    _meta: { hostvars: Record<string, object> };
  };
  for (const group of [
    'role_web',
    'site_ams1',
    'rack_ams1_r1',
    'tag_blue',
    'tag_green',
    'state_active',
    'health_drifted',
  ]) {
    expect([group, inventory[group]?.hosts]).toEqual([group, ['web1.example.net']]);
  }
  expect(inventory._meta.hostvars['web1.example.net']).toMatchObject({
    ansible_host: '10.20.0.2',
    machinedb_role: 'web',
    machinedb_unit: 12,
  });
  const one = await machinedb(other, ['inventory', '--host', 'web1.example.net']);
  expect(JSON.parse(one.stdout)).toMatchObject({ ansible_host: '10.20.0.2' });
});

test('findings, explain, history, diff and the signed wanted state say the same', async () => {
  const { items } = await json<{ items: { path: string }[] }>(['findings']);
  expect(items.map(({ path }) => path)).toContain('/fqdn');
  const explained = await json<{ path: string; layer: string }[]>(['intent', 'explain', `node/${node}`, 'role']);
  expect(explained).toEqual([{ path: '/role/name', value: 'web', layer: `node/${node}`, overrides: [] }]);
  const history = await json<{ items: { kind: string; reason?: string }[] }>(['history', node]);
  expect(history.items.find(({ kind }) => kind === 'node.assigned')).toMatchObject({
    reason: 'first node',
    actor: 'operator',
  });
  const diff = await json<{ changes: { path: string }[] }>(['diff', node, '--from', '2020-01-01T00:00:00Z']);
  expect(diff.changes.length).toBeGreaterThan(3);
  const { generation, wanted, signature, key } = await json<{
    generation: number;
    wanted: object;
    signature: string;
    key: string;
  }>(['wanted', node]);
  const trust = await harness.call('getTrust', {});
  const spki = trust.wanted_keys.find(({ id }) => id === key)!.public_key;
  const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  expect(
    verify(null, Buffer.from(canonical({ node, generation, wanted })), publicKey, Buffer.from(signature, 'base64')),
  ).toBe(true);
  // The agent fetched it at once, and says so with its heartbeat; being in observe mode it changed nothing.
  const kept = join(harness.directory, 'agent/wanted.json');
  await expect
    .poll(() => JSON.parse(readFileSync(kept, 'utf8')) as object, { timeout: 10_000 })
    .toMatchObject({ generation, signature });
  expect(readFileSync('/proc/sys/kernel/hostname', 'utf8').trim()).toBe(hostnameBefore);
});

test('an agent whose clock says 1970 gets in, by a rule, through the other daemon', async () => {
  await json(['rule', 'put', 'lab', '--networks', '127.0.0.0/8', '--role', 'web', '--uses', '1']);
  const directory = join(harness.directory, 'agent-1970');
  mkdirSync(directory);
  // Another machine than this one, so that it is not taken for it: no port, no serial number.
  const system = openSystem(directory);
  const ending = new AbortController();
  const running = runAgent({
    system,
    url: new URL(other.url),
    pins: other.pins,
    directory: join(directory, 'state'),
    clock: floorClock(() => performance.now(), releasedAt),
    random: Math.random,
    firstBeatMs: 0,
    observeMs: 60_000,
    bootId: 'in-1970',
    firstSeq: 0,
    log: () => {},
    signal: ending.signal,
  });
  await expect
    .poll(async () => (await json<{ items: object[] }>(['nodes', '--role', 'web'])).items.length, { timeout: 15_000 })
    .toBe(2);
  ending.abort();
  await running;
});
