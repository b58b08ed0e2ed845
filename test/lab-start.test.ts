import { spawn } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connect, readConnection } from '../machinedb/cli/connect.ts';
import type { Client } from '../shared/client.ts';
import { root, runProgram, surroundings } from './program.ts';

const state = mkdtempSync(join(tmpdir(), 'machinedb-lab-'));
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const end of ends) await end();
  try {
    rmSync(readlinkSync(join(state, 'postgres')), { recursive: true, force: true });
  } catch {
    // Started by an ordinary user, the database lies in the state directory.
  }
  rmSync(state, { recursive: true, force: true });
});

/** What npm start -- --lab N runs. */
function startLab(machines: number) {
  const env = {
    ...surroundings,
    MACHINEDB_STATE: state,
    MACHINEDB_LISTEN: '127.0.0.1:0',
    MACHINEDB_TASK_MS: '200',
  };
  const args = [join(root, 'machinedb/start.ts'), '--lab', `${machines}`];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    return await ended;
  };
  ends.push(stop);
  const says = async (pattern: RegExp) => {
    await expect.poll(() => text, { timeout: 60_000, interval: 200 }).toMatch(pattern);
    return pattern.exec(text)!;
  };
  return { child, text: () => text, says, stop };
}

async function nodesOf(client: Client) {
  return (await client.call('listNodes', { query: { limit: 1000 } })).items;
}

test('npm start -- --lab 50: fifty machines in six racks, each its own, a few odd ones out; Ctrl-C ends all; they come again', async () => {
  const lab = startLab(50);
  await lab.says(/50 machines in 6 racks are there/);
  const [, url] = await lab.says(/MACHINEDB_URL=(\S+)/);
  const settings = { MACHINEDB_URL: url!, MACHINEDB_STATE: state };
  const client = connect(readConnection(settings));
  // A node is active when it has reported and its heart beats.
  const active = async () => (await nodesOf(client)).filter(({ state: is }) => is === 'active').length;
  await expect.poll(active, { timeout: 30_000, interval: 500 }).toBe(50);
  const nodes = await nodesOf(client);

  expect(nodes).toHaveLength(50);
  expect(new Set(nodes.map(({ rack }) => rack))).toEqual(new Set(['r1', 'r2', 'r3', 'r4', 'r5', 'r6']));
  expect(
    Object.fromEntries(
      Map.groupBy(nodes, ({ role }) => role!)
        .entries()
        .map(([role, of]) => [role, of.length]),
    ),
  ).toEqual({
    compute: 32,
    gpu: 8,
    storage: 8,
    edge: 2,
  });
  expect(new Set(nodes.map(({ serial }) => serial)).size).toBe(50);
  expect(new Set(nodes.flatMap(({ macs }) => macs)).size).toBe(100);

  const observed = async (name: string) =>
    (await client.call('getObserved', { params: { node: name }, query: {} })).sections as Record<
      string,
      Record<string, never>
    >;
  // Three compute nodes have the BIOS of before, and all others the same.
  const bios = await Promise.all(
    nodes
      .filter(({ role }) => role === 'compute')
      .map(async ({ id }) => (await observed(id)).firmware as unknown as { version: string }),
  );
  expect(bios.filter(({ version }) => version !== '2.19.1').map(({ version }) => version)).toEqual([
    '2.17.0',
    '2.17.0',
  ]);
  const dimms = async (name: string) => Object.keys((await observed(name)).memory!.dimms!).length;
  expect([await dimms('compute-r1-07.lab1.example.net'), await dimms('compute-r1-08.lab1.example.net')]).toEqual([
    24, 23,
  ]);
  const { gpus } = await observed('gpu-r2-02.lab1.example.net');
  expect(
    Object.values(gpus as unknown as Record<string, { link: { width: number } }>)
      .map(({ link }) => link.width)
      .sort(),
  ).toEqual([...[16, 16, 16, 16, 16, 16, 16, 8]]);
  const { lldp } = await observed('storage-r3-03.lab1.example.net');
  expect(Object.values(Object.values(lldp as unknown as object)[0] as object)[0]).toMatchObject({
    system_name: 'leaf-a.r3.lab1',
    port_id: 'Ethernet4',
  });
  // Who calls itself otherwise than it should is a finding, seen by the command line that the banner names.
  const findings = await runProgram('machinedb/bin/machinedb', ['findings', '--json'], settings);
  const found = (JSON.parse(findings.stdout) as { items: { name: string; section: string }[] }).items;
  expect(new Set(found.filter(({ section }) => section === 'hostname').map(({ name }) => name))).toEqual(
    new Set(['compute-r1-12.lab1.example.net', 'compute-r4-12.lab1.example.net']),
  );
  // So are the two whose cables are swapped: one finding for the pair.
  const cabling = async () =>
    (await client.call('listFindings', { query: { section: 'cabling' } })).items.map(({ message }) => message);
  await expect
    .poll(cabling, { timeout: 10_000, interval: 200 })
    .toEqual([
      expect.stringMatching(/^cables are crossed: .*storage-r3-0[34].* and .*storage-r3-0[34].*: change them round$/),
    ]);
  // Everything that is told of was invented: each by name.
  expect(lab.text()).toContain('compute-r1-06.lab1.example.net: BIOS 2.17.0, where its siblings have 2.19.1');
  expect(lab.text()).toContain('storage-r3-03.lab1.example.net: its first port hangs at Ethernet4, not Ethernet3');

  expect(await lab.stop()).toBe(0);

  const again = startLab(50);
  await again.says(/50 machines in 6 racks are there/);
  const [, url2] = await again.says(/MACHINEDB_URL=(\S+)/);
  const later = await nodesOf(connect(readConnection({ ...settings, MACHINEDB_URL: url2! })));
  expect(later.map(({ id, name }) => [id, name])).toEqual(nodes.map(({ id, name }) => [id, name]));
  expect(await again.stop()).toBe(0);
}, 120_000);

test('--lab wants a number of machines', async () => {
  const { code, stderr } = await runProgram('node', ['machinedb/start.ts', '--lab', 'many'], {});
  expect([code, stderr]).toEqual([
    2,
    'machinedb: --lab is "many": expected how many machines, 1 to 9999\nusage: npm start [-- --pxe INTERFACE | --lab MACHINES]\n',
  ]);
});
