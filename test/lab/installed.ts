import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Suite } from '../../images/base-os/packages.ts';
import { agentExecutable } from '../program.ts';
import { type Guest, startGuest } from './qemu.ts';
import type { Site } from './site.ts';

/** The host key that takes long to make in an emulated machine; the others are made by it. */
const SLOW_KEY = '/etc/ssh/ssh_host_rsa_key';
const cache = join(import.meta.dirname, '../../node_modules/.cache/machinedb');

/** What is done to an installed system before its first boot, as a golden image's recipe would. */
export interface Recipe {
  /** Path → text. */
  files?: Record<string, string>;
  /** Paths that go. */
  remove?: string[];
  /** It has ifupdown2 in place of ifupdown. */
  ifupdown2?: true;
}

/** A disk with an installed Debian: the golden image's system, this agent, and which server is its own. */
export async function installedDisk(
  site: Site,
  name: string,
  suite: Suite,
  { files = {}, remove = [], ifupdown2 }: Recipe,
): Promise<Pick<Installed, 'disk' | 'folder'>> {
  const disk = join(site.directory, name);
  const folder = await rootOf(suite);
  execFileSync('cp', ['--sparse=always', join(folder, ifupdown2 ? 'ifupdown2.img' : 'root.img'), disk]);
  const [daemon] = site.harness.daemons;
  const config = JSON.stringify({ server: daemon.url, pins: daemon.pins });
  const work = mkdtempSync(join(tmpdir(), 'machinedb-disk-'));
  try {
    // It has no partition to grow.
    execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-N', '', '-C', '', '-f', join(work, 'key')]);
    const all = { ...files, '/etc/machinedb/agent.json': config, '/var/lib/machinedb-grown': '' };
    const commands = [
      ...['/usr/bin/machinedb-agent', ...remove].map((path) => `rm ${path}`),
      ...put(agentExecutable, '/usr/bin/machinedb-agent', '0100755'),
      ...masked.map((unit) => `symlink /etc/systemd/system/${unit} /dev/null`),
      ...put(join(work, 'key'), SLOW_KEY, '0100600'),
      ...put(join(work, 'key.pub'), `${SLOW_KEY}.pub`, '0100644'),
      ...Object.entries(all).flatMap(([path, text], i) => {
        writeFileSync(join(work, String(i)), text);
        return [`mkdir ${dirname(path)}`, `rm ${path}`, ...put(join(work, String(i)), path, '0100644')];
      }),
    ];
    const script = join(work, 'commands');
    writeFileSync(script, `${commands.join('\n')}\n`);
    execFileSync('debugfs', ['-w', '-f', script, disk], { stdio: 'pipe' });
  } finally {
    rmSync(work, { recursive: true });
  }
  return { disk, folder };
}

function put(from: string, path: string, mode: string): string[] {
  const name = path.split('/').at(-1);
  return [`cd ${dirname(path)}`, `write ${from} ${name}`, `set_inode_field ${name} mode ${mode}`];
}

/** Units that nobody here looks at: they take a quarter of a boot's processor time. A log-in by SSH starts no service manager of its own. */
const masked = [
  ...['configfs', 'dm_mod', 'drm', 'efi_pstore', 'fuse', 'loop'].map((name) => `modprobe@${name}.service`),
  ...['dev-hugepages', 'dev-mqueue', 'sys-kernel-debug', 'sys-kernel-tracing', 'sys-kernel-config'].map(
    (name) => `${name}.mount`,
  ),
  ...['sys-fs-fuse-connections.mount', 'proc-sys-fs-binfmt_misc.automount', 'systemd-rfkill.socket'],
  ...['binfmt', 'random-seed', 'logind', 'update-utmp', 'rfkill', 'udev-load-credentials', 'update-done'].map(
    (name) => `systemd-${name}.service`,
  ),
  ...['journal-catalog-update', 'journal-flush', 'hibernate-clear'].map((name) => `systemd-${name}.service`),
  ...['e2scrub_reap', 'kmod-static-nodes', 'getty@tty1', 'user@'].map((name) => `${name}.service`),
];

/** MACs of its two ports, and its serial number. */
export interface Installed {
  disk: string;
  /** Where its release's kernel is. */
  folder: string;
  macs: [string, string];
  serial: string;
}

/** Modules that udev finds for the emulated processor and board, and that nothing here uses: loading them is a tenth of the boot. */
const idle = [
  ...['kvm', 'kvm_amd', 'ccp', 'amd64_edac', 'amd64_edac_mod', 'powernow_k8', 'cfg80211', 'drm'],
  ...['pcspkr', 'iTCO_wdt', 'lpc_ich', 'psmouse', 'evdev'],
];

/** Its ports are enp0s16 (virtio_net) and enp0s17 (e1000e). */
export function powerOnInstalled(site: Site, { disk, folder, macs, serial }: Installed, taps: string[]): Guest {
  const net = (i: number, model: string) => [
    `-netdev tap,id=n${i},ifname=${taps[i]},script=no,downscript=no`,
    `-device ${model},netdev=n${i},mac=${macs[i]},addr=0x1${i},romfile=`,
  ];
  const words = [
    '-machine sata=off,smbus=off -m 768 -smp 1 -device virtio-rng-pci',
    `-smbios type=1,manufacturer=LabMaker,product=LabServer,serial=${serial}`,
    ...[...net(0, 'virtio-net-pci'), ...net(1, 'e1000e')],
    `-drive file=${disk},if=none,id=d0,format=raw,cache=unsafe -device virtio-blk-pci,drive=d0,serial=${serial}`,
    `-qmp unix:${disk}.qmp,server=on,wait=off`,
    `-kernel ${join(folder, 'vmlinux')} -initrd ${join(folder, 'initrd.img')}`,
  ].flatMap((line) => line.split(' '));
  const append = [
    'root=LABEL=machinedb-root console=ttyS0,115200 quiet net.ifnames=1 panic=10 mitigations=off audit=0 fsck.mode=skip',
    `module_blacklist=${idle.join(',')}`,
  ].join(' ');
  return startGuest([...words, '-append', append], site.network.inside);
}

/** Pulls a cable out of a port (0 or 1) of a running machine, or puts it back. */
export async function setCable({ disk }: Installed, port: number, isIn: boolean): Promise<void> {
  const socket = connect(`${disk}.qmp`);
  // QEMU greets, and takes no command before its capabilities were negotiated (QMP specification, 4).
  for (const [execute, more] of [
    ['qmp_capabilities', {}],
    ['set_link', { arguments: { name: `n${port}`, up: isIn } }],
  ] as const) {
    await once(socket, 'data');
    socket.write(JSON.stringify({ execute, ...more }));
  }
  await once(socket, 'data');
  socket.destroy();
}

const built = new Map<Suite, Promise<string>>();

/** Folder of a release's root file system; built once, which takes most of a minute. */
export function rootOf(suite: Suite): Promise<string> {
  const known = built.get(suite) ?? buildRoot(suite);
  built.set(suite, known);
  return known;
}

async function buildRoot(suite: Suite): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const build = [process.execPath, join(import.meta.dirname, 'build-roots.ts'), suite];
  // Test files run beside each other: one builds, the others wait.
  const child = spawn('flock', [join(cache, `root-${suite}.lock`), ...build], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const folder = await text(child.stdout);
  const [code] = await ended;
  if (code !== 0) throw new Error(`the root of ${suite} was not built: what it said is above`);
  return folder;
}
