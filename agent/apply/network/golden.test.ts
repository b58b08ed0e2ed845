import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unpacked } from '../../testing/unpacked.ts';
import type { Files } from '../change.ts';
import { refusals } from './check.ts';
import { IFUPDOWN, ifupdownFiles } from './ifupdown.ts';
import { intents, macs, wantedOf } from './intents.fixture.ts';
import { netplanFiles } from './netplan.ts';
import { networkdFiles } from './networkd.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-golden-'));
  chmodSync(root, 0o755);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(files: Files, below = ''): void {
  for (const [path, { text, mode }] of Object.entries(files)) {
    const file = join(root, below, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode });
  }
}

/** All files in one text, each under its path. */
const golden = (files: Files) =>
  Object.entries(files)
    .map(([path, { text }]) => `==> ${path}\n${text}`)
    .join('\n');

const names = Object.keys(intents);

/** ifupdown2's own check, its keywords included, in a root of its own: it reads its settings at a fixed place. */
function checkedByIfupdown2(file: string) {
  const script = `mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir -p usr run/network proc dev tmp pkg etc/iproute2/rt_tables.d
mount --bind /usr usr && mount --bind "$2" pkg && mount -t proc proc proc && mount --rbind /dev dev
for folder in bin sbin lib lib64; do ln -s usr/$folder $folder; done
cp -r pkg/etc/network etc/network && sed -i s/addon_syntax_check=0/addon_syntax_check=1/ etc/network/ifupdown2/ifupdown2.conf
cat > tmp/interfaces && ln -s /pkg/usr/share/ifupdown2/__main__.py tmp/ifup
PYTHONPATH=/pkg/usr/share/ifupdown2 exec chroot . /usr/bin/python3 -B /tmp/ifup --all --syntax-check --interfaces /tmp/interfaces`;
  const scratch = mkdtempSync(join(tmpdir(), 'machinedb-ifupdown2-'));
  try {
    const isolated = ['--net', '--mount', 'sh', '-ec', script, 'sh', scratch, unpacked('ifupdown2')];
    const { status, stderr } = spawnSync('unshare', isolated, {
      input: readFileSync(file),
      encoding: 'utf8',
    });
    return { status, stderr };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What the real networkd, in a network and a mount namespace of its own, ignores of the files in a folder. */
async function readByNetworkd(folder: string): Promise<string[]> {
  const script = `mount --bind "$1" /etc/systemd/network && mount -t tmpfs tmpfs /run
exec timeout -s KILL 2 /lib/systemd/systemd-networkd`;
  const env = { ...process.env, SYSTEMD_LOG_TARGET: 'console', SYSTEMD_LOG_LEVEL: 'info' };
  const child = spawn('unshare', ['--net', '--mount', 'sh', '-c', script, 'sh', folder], { env });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await once(child, 'close');
  expect(said).toContain('Enumeration completed');
  return refusals(said);
}

test('systemd-networkd: each is as it was seen to be right, and the real one takes it', async () => {
  const read = names.map(async (name) => {
    const { interfaces = {}, dns = {} } = wantedOf(name);
    const files = networkdFiles(interfaces, dns, macs);
    await expect(golden(files)).toMatchFileSnapshot(`golden/${name}.networkd`);
    write(files, name);
    return [name, await readByNetworkd(join(root, name, 'etc/systemd/network'))];
  });
  expect(Object.fromEntries(await Promise.all(read))).toEqual(Object.fromEntries(names.map((name) => [name, []])));
});

test('what systemd-networkd does not know is a refusal', async () => {
  const text = '[Match]\nName=eth0\n[Network]\nAddress=10.1.0.5/33\nAdress=10.1.0.5/24\n';
  write({ '/etc/systemd/network/10-machinedb-eth0.network': { text, mode: 0o644 } });
  expect(await readByNetworkd(join(root, 'etc/systemd/network'))).toEqual([
    expect.stringMatching(/^10-machinedb-eth0.network:4: .*10.1.0.5\/33/),
    expect.stringMatching(/^10-machinedb-eth0.network:5: Unknown key .*Adress/),
  ]);
});

test.each(names)('%s: netplan', async (name) => {
  const { interfaces = {}, dns = {} } = wantedOf(name);
  const files = netplanFiles(interfaces, dns, macs);
  await expect(golden(files)).toMatchFileSnapshot(`golden/${name}.netplan`);
  write(files);
  const tools = unpacked('netplan.io', 'libnetplan0');
  execFileSync(join(tools, 'usr/libexec/netplan/generate'), ['--root-dir', root], {
    env: { LD_LIBRARY_PATH: join(tools, 'usr/lib/x86_64-linux-gnu') },
  });
});

test.each(names)('%s: ifupdown', async (name) => {
  const files = ifupdownFiles(wantedOf(name).interfaces ?? {}, macs, 'ifupdown');
  await expect(golden(files)).toMatchFileSnapshot(`golden/${name}.ifupdown`);
  write(files);
  const ifup = join(unpacked('ifupdown'), 'sbin/ifup');
  const flags = ['--no-act', '--force', '--all', '--state-dir', root, '--interfaces', join(root, IFUPDOWN)];
  execFileSync(ifup, flags, { stdio: 'pipe' });
});

test.each(names)('%s: ifupdown2', async (name) => {
  const files = ifupdownFiles(wantedOf(name).interfaces ?? {}, macs, 'ifupdown2');
  await expect(golden(files)).toMatchFileSnapshot(`golden/${name}.ifupdown2`);
  write(files);
  expect(checkedByIfupdown2(join(root, IFUPDOWN))).toEqual({ status: 0, stderr: '' });
});

test('what ifupdown2 does not know is refused by its check', () => {
  const file = join(root, 'bad');
  writeFileSync(file, 'auto eth0\niface eth0 inet static\n    adress 10.1.0.5/24\n');
  expect(checkedByIfupdown2(file)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('unsupported keyword (adress)'),
  });
});
