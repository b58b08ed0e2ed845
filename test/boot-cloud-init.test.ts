import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { place } from '../agent/install/hand-over.ts';
import type { FeedItem, Node } from '../shared/api/nodes.ts';
import { cloudInitDisk } from './lab/images.ts';
import { startGuest } from './lab/qemu.ts';
import { hardware, openSite, type Site } from './lab/site.ts';
import { until } from './lab/until.ts';

/** Of the machine: a simulated node's number says what serial and MAC it has. */
const INDEX = 12;
const MAC = '52:54:00:00:00:0c';
let site: Site;
let disk: string;

beforeAll(async () => {
  const image = cloudInitDisk();
  site = await openSite();
  disk = join(site.directory, 'disk');
  execFileSync('zstd', ['-q', '-d', '--sparse', image, '-o', disk]);
}, 600_000);
afterAll(() => site?.close());

async function intend(node: string, section: string, data: unknown): Promise<void> {
  const file = join(site.directory, `${section}.json`);
  writeFileSync(file, JSON.stringify(data));
  await site.machinedb('intent', 'put', `node/${node}`, section, '--file', file, '--yes', '--reason', 'test');
}

/** What the guest tells of itself at the end of its first boot, a word each line. */
const told = {
  pid1: 'cat /proc/1/comm',
  hostname: 'hostname -f',
  file: 'cat /etc/from-user-data',
  vendor: 'cat /etc/from-vendor-data',
  source: 'cloud-id',
  seed: 'systemctl show -P ExecMainStartTimestampMonotonic machinedb-seed',
  init: 'systemctl show -P ExecMainStartTimestampMonotonic cloud-init',
  state: 'systemctl show -P ActiveState,SubState machinedb-seed | paste -sd/',
  key: 'cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub',
  secret:
    'python3 -c "import urllib.request as r; print(r.urlopen(\\"http://127.0.0.1:4282/seed/secret/licence\\").read().decode())"',
};

/** A node that was just installed, as the installer leaves it: approved, with its intent, its identity and its cloud-init told. */
async function install(): Promise<string> {
  const sections = {
    network: { interfaces: { eth0: { kind: 'physical', mac: MAC } } },
    nics: { [MAC]: { name: 'eth0', mac: MAC } },
  };
  const [{ url, stateDirectory, pins }] = site.harness.daemons;
  const words = [join(import.meta.dirname, 'lab/seed-node.ts'), url, stateDirectory, site.directory, `${INDEX}`];
  const { stdout, stderr } = await site.centre.run(process.execPath, [...words, JSON.stringify(sections)]);
  if (stdout === '') throw new Error(stderr);
  const { node, fingerprint, identity } = JSON.parse(stdout) as Record<'node' | 'fingerprint' | 'identity', string>;
  const licence = join(site.directory, 'licence');
  writeFileSync(licence, 'sesame');
  await site.machinedb('secret', 'put', 'licence', '--file', licence);
  await site.machinedb('approve', node, '--fingerprint', fingerprint, '--reason', 'test');
  await intend(node, 'hostname', { hostname: 'seeded', domain: 'lab.example.org' });
  const report = Object.entries(told).map(([name, command]) => `echo "LAB ${name} $(${command})" >/dev/ttyS0`);
  await intend(node, 'cloud_init', {
    user_data: `#cloud-config\n${JSON.stringify({
      write_files: [{ path: '/etc/from-user-data', content: '{{ fqdn }} {{ instance_id }}' }],
      runcmd: report.map((line) => ['sh', '-c', line]),
    })}\n`,
    vendor_data: '#cloud-config\nbootcmd:\n  - [sh, -c, "echo {{ hostname }} > /etc/from-vendor-data"]\n',
    secrets: { licence: { secret: 'licence' } },
  });
  await onDisk((root) => {
    place(root, { state: { 'identity.json': identity }, config: JSON.stringify({ server: url, pins }) });
    // Its disk is as large as its image.
    writeFileSync(join(root, 'var/lib/machinedb-grown'), '');
  });
  return node;
}

/** Works on the root file system of the disk, which is its last partition. */
async function onDisk(work: (root: string) => void): Promise<void> {
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['-J', disk], { encoding: 'utf8' })) as {
    partitiontable: { partitions: { start: number }[] };
  };
  const root = join(site.directory, 'root');
  mkdirSync(root);
  const offset = partitiontable.partitions.at(-1)!.start * 512;
  execFileSync('mount', ['-o', `loop,offset=${offset}`, disk, root]);
  try {
    work(root);
  } finally {
    execFileSync('umount', [root]);
  }
}

test('an image with cloud-init boots: its agent serves the documents before cloud-init asks, which obeys them and phones home', async () => {
  const node = await install();
  const guest = startGuest(
    [
      ...hardware(site, { firmware: 'bios', mac: MAC, serial: `SIM-${INDEX}` }),
      ...['-smbios', 'type=1,manufacturer=Simulated'],
      ...['-drive', `file=${disk},if=none,id=v0,format=raw,cache=unsafe`],
      ...['-device', 'virtio-blk-pci,drive=v0,bootindex=0'],
    ],
    site.network.inside,
  );
  try {
    const homes = async () =>
      (await site.get<{ items: FeedItem[] }>(`/v1/nodes/${node}/history?limit=1000`)).items.filter(
        ({ kind }) => kind === 'seed.phoned_home',
      );
    await until(homes, (items) => items.length > 0, { ms: 600_000 });
    const words = Object.fromEntries(
      await Promise.all(
        Object.keys(told).map(async (name) => {
          const line = await guest.line(new RegExp(`^LAB ${name} `), 10_000);
          return [name, line.slice(`LAB ${name} `.length).trim()] as const;
        }),
      ),
    );
    expect(words).toEqual({
      ...{ pid1: 'systemd', hostname: 'seeded.lab.example.org', file: `seeded.lab.example.org ${node}-0` },
      ...{ vendor: 'seeded', source: 'nocloud', state: 'active/running', secret: 'sesame' },
      ...{ seed: expect.stringMatching(/^\d+$/), init: expect.stringMatching(/^\d+$/) },
      key: expect.stringMatching(/^ssh-ed25519 \S+$/),
    });
    expect(Number(words.seed)).toBeLessThan(Number(words.init));
    expect(await homes()).toHaveLength(1);
    const { host_keys } = await site.get<Node & { host_keys: Record<string, string> }>(`/v1/nodes/${node}`);
    expect(Object.values(host_keys)).toContain(words.key);
  } catch (error) {
    process.stderr.write(`${guest.console.slice(-80).join('\n')}\n`);
    throw error;
  } finally {
    await guest.close();
  }
}, 900_000);
