import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { place } from '../agent/install/hand-over.ts';
import { type Harness, startHarness } from './harness.ts';
import { type LabNetwork, openNetwork } from './lab/network.ts';
import { openSeedRoot, type SeedRoot, seedRoots } from './lab/seed-root.ts';
import { until } from './lab/until.ts';
import { agentExecutable, root as clone } from './program.ts';

const rule = join(clone, 'images/base-os/root/usr/lib/machinedb/seed.nft');
/** MAC of the only port: each machine has its own. */
const macOf = (index: number) => `52:54:00:ab:cd:${index}`;
const directory = mkdtempSync(join(tmpdir(), 'machinedb-cloud-init-'));
const closing: (() => void | Promise<void>)[] = [];
let network: LabNetwork;
let harness: Harness;
let roots: string;

beforeAll(async () => {
  roots = seedRoots();
  network = openNetwork('10.79.0.1/24');
  closing.push(() => network.close());
  const pair = ['link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'peer0'];
  execFileSync('ip', ['-n', network.name, ...pair]);
  harness = await startHarness({ inside: network.inside });
  closing.push(() => harness.close());
  const file = join(directory, 'licence');
  writeFileSync(file, 'sesame');
  await operator('secret', 'put', 'licence', '--file', file);
  await operator('network', 'put', 'lab', '--cidr', '10.79.1.0/24', '--gateway', '10.79.1.1');
}, 600_000);
afterAll(async () => {
  for (const step of closing.reverse()) await step();
  rmSync(directory, { recursive: true, force: true });
});

const operator = async <Reply>(...args: string[]): Promise<Reply> => {
  const [{ url }, { stateDirectory }] = [harness.daemons[0], harness.daemons[0]];
  const environment = { MACHINEDB_URL: url, MACHINEDB_STATE: stateDirectory };
  const { code, stdout, stderr } = await network.run(
    join(clone, 'machinedb/bin/machinedb'),
    [...args, '--json'],
    environment,
  );
  if (code !== 0) throw new Error(`machinedb ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Reply;
};

async function intend(node: string, section: string, data: unknown): Promise<void> {
  const file = join(directory, `${section}.json`);
  writeFileSync(file, JSON.stringify(data));
  await operator('intent', 'put', `node/${node}`, section, '--file', file, '--yes', '--reason', 'test');
}

interface Enrolled {
  node: string;
  fingerprint: string;
  identity: string;
}

/** A node that was just installed, as the installer leaves it: approved, with its intent, its identity and its cloud-init told. */
async function install(suite: string, index: number, root: string): Promise<string> {
  const mac = macOf(index);
  execFileSync('ip', ['-n', network.name, 'link', 'set', 'eth0', 'address', mac]);
  const { url, stateDirectory, pins } = harness.daemons[0];
  const sections = {
    network: { interfaces: { eth0: { kind: 'physical', mac } } },
    nics: { eth0: { name: 'eth0', mac } },
  };
  const words = [
    join(clone, 'test/lab/seed-node.ts'),
    url,
    stateDirectory,
    directory,
    `${index}`,
    JSON.stringify(sections),
  ];
  const { stdout, stderr } = await network.run(process.execPath, words);
  if (stdout === '') throw new Error(stderr);
  const { node, fingerprint, identity } = JSON.parse(stdout) as Enrolled;
  await operator('approve', node, '--fingerprint', fingerprint, '--reason', 'test');
  await intend(node, 'hostname', { hostname: suite, domain: 'lab.example.org' });
  await intend(node, 'cloud_init', {
    user_data: `#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "{{ fqdn }} {{ instance_id }}\\n"
runcmd:
  - [python3, -c, "import urllib.request as r; open('/root/licence', 'wb').write(r.urlopen('http://127.0.0.1:4282/seed/secret/licence').read())"]
`,
    vendor_data: '#cloud-config\nbootcmd:\n  - [sh, -c, "echo {{ hostname }} > /etc/from-vendor-data"]\n',
    secrets: { licence: { secret: 'licence' } },
  });
  await intend(node, 'network', {
    interfaces: { eth0: { match: { mac }, addresses: { main: { network: 'lab', address: `10.79.1.${index}` } } } },
  });
  const config = JSON.stringify({ server: url, pins });
  place(root, { state: { 'identity.json': identity }, config });
  return node;
}

/** The agent's part of a first boot: the rule, and the documents on the loopback interface. */
async function startSeed(root: string): Promise<ChildProcess> {
  expect(await network.run('nft', ['-f', rule])).toMatchObject({ code: 0 });
  const [program, ...args] = [
    ...network.inside,
    agentExecutable,
    'seed',
    '--config',
    join(root, 'etc/machinedb/agent.json'),
  ];
  const agent = spawn(program!, [...args, '--state', join(root, 'var/lib/machinedb-agent')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  agent.stderr!.on('data', (chunk: Buffer) => {
    said += String(chunk);
  });
  await until(
    async () => said,
    (text) => text.includes('cloud-init is served at'),
    { ms: 20_000, interval: 100 },
  );
  return agent;
}

const stages = ['init --local', 'init', 'modules --mode=config', 'modules --mode=final']
  .map((stage) => `cloud-init ${stage} >> /var/log/stages 2>&1`)
  .join('; ');

async function firstBoot(
  suite: string,
  index: number,
  prepare: (root: SeedRoot) => void,
): Promise<{ root: SeedRoot; node: string }> {
  const root = openSeedRoot(roots, suite, network.name);
  closing.push(() => root.close());
  const node = await install(suite, index, root.path);
  prepare(root);
  const agent = await startSeed(root.path);
  try {
    await root.run(`${stages}; cloud-init query --all > /var/log/query; hostname > /var/log/hostname`);
  } finally {
    agent.kill();
  }
  return { root, node };
}

const read = ({ path }: SeedRoot, file: string) => readFileSync(join(path, file), 'utf8');

test.each([
  ['bullseye', '20.4', 11],
  ['bookworm', '22.4', 12],
  ['trixie', '25.1', 13],
] as const)(
  'cloud-init of %s (%s) takes all from MachineDB, by its own datasource, and phones home',
  async (suite, version, index) => {
    const cfg = 'etc/cloud/cloud.cfg.d/95-machinedb.cfg';
    const { root, node } = await firstBoot(suite, index, (opened) => {
      if (suite !== 'trixie') return;
      // Somebody who lets cloud-init have the network: this release asks for it.
      const text = read(opened, cfg).replace('network:\n  config: disabled\n', 'disable_network_activation: true\n');
      writeFileSync(join(opened.path, cfg), text);
    });
    const log = () => `${read(root, 'var/log/stages')}${read(root, 'var/log/cloud-init.log').slice(-8000)}`;
    const instance = `${node}-0`;
    const query = JSON.parse(read(root, 'var/log/query')) as { v1: Record<string, string>; userdata: string };
    expect(query.v1, log()).toMatchObject({ instance_id: instance, local_hostname: suite, platform: 'nocloud' });
    expect((await root.run('cloud-init --version 2>&1')).stdout).toContain(` ${version}.`);
    expect(read(root, 'var/log/hostname').trim()).toBe(suite);
    expect(read(root, 'etc/hostname').trim()).toMatch(new RegExp(`^${suite}`));
    expect(read(root, 'etc/from-user-data'), log()).toBe(`${suite}.lab.example.org ${instance}\n`);
    expect(read(root, 'etc/from-vendor-data')).toBe(`${suite}\n`);
    expect(read(root, 'root/licence')).toBe('sesame');

    const detail = await operator<{ host_keys?: Record<string, string> }>('show', node);
    const own = ['rsa', 'ecdsa', 'ed25519'].map((type) =>
      read(root, `etc/ssh/ssh_host_${type}_key.pub`).split(' ').slice(0, 2).join(' ').trim(),
    );
    expect(Object.values(detail.host_keys ?? {}).sort(), log()).toEqual(own.sort());
    const history = await operator<{ items: { kind: string }[] }>('history', node);
    expect(history.items.filter(({ kind }) => kind === 'seed.phoned_home')).toHaveLength(1);

    const rendered = ['etc/netplan/50-cloud-init.yaml', 'etc/network/interfaces.d/50-cloud-init'].filter((file) =>
      existsSync(join(root.path, file)),
    );
    if (suite !== 'trixie') expect(rendered).toEqual([]);
    else {
      const text = read(root, rendered[0]!);
      for (const word of ['10.79.1.13/24', macOf(index), '10.79.1.1']) expect(text).toContain(word);
    }
  },
  400_000,
);

test('54 the shipped rule lets no process through that is not of root', async () => {
  const root = openSeedRoot(roots, 'bookworm', network.name);
  closing.push(() => root.close());
  const node = await install('bookworm-54', 54, root.path);
  const agent = await startSeed(root.path);
  const ask = async (...as: string[]) =>
    await network.run(as[0] ?? 'curl', [
      ...as.slice(1),
      ...(as.length === 0 ? [] : ['curl']),
      '-sS',
      '-m',
      '5',
      'http://127.0.0.1:4282/seed/meta-data',
    ]);
  try {
    expect(await ask()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`instance-id: "${node}-0"`) as string,
    });
    const stranger = await ask('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups');
    expect(stranger).toMatchObject({ code: 7, stdout: '' });
    await network.run('nft', ['delete', 'table', 'inet', 'machinedb_seed']);
    expect(await ask('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups')).toMatchObject({ code: 0 });
  } finally {
    agent.kill();
  }
}, 120_000);
