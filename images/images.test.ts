import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { digestOf } from './build.ts';
import { cpio } from './cpio.ts';
import { buildDiscovery } from './discovery/build.ts';
import { embedBiosGrub, makeBiosGrub } from './disk/grub.ts';
import { layoutOf, sfdiskScript } from './disk/layout.ts';
import { sealViolations } from './seal.ts';
import { run } from './tools.ts';

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'machinedb-images-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('cpio(1) unpacks what we pack, whatever the order it was given in', () => {
  const entries = [
    { kind: 'file', path: 'a/b/c', mode: 0o644, data: Buffer.from('hello') },
    { kind: 'link', path: 'a/l', target: 'b/c' },
    { kind: 'folder', path: 'z', mode: 0o700 },
  ] as const;
  const archive = cpio([...entries]);
  expect(cpio([...entries].reverse()).equals(archive)).toBe(true);
  const out = join(directory, 'cpio');
  mkdirSync(out);
  execFileSync('cpio', ['-i', '--quiet'], { cwd: out, input: archive });
  expect(
    execFileSync('find', ['.', '-printf', '%p %M %l\n'], { cwd: out, encoding: 'utf8' }).trim().split('\n').sort(),
  ).toEqual(
    [
      '. drwxr-xr-x',
      './a drwxr-xr-x',
      './a/b drwxr-xr-x',
      './a/b/c -rw-r--r--',
      './a/l lrwxrwxrwx b/c',
      './z drwx------',
    ].map((line) => (line.includes('->') || line.endsWith('b/c') ? line : `${line} `)),
  );
  expect(readFileSync(join(out, 'a/b/c'), 'utf8')).toBe('hello');
});

test('the discovery image built twice is the same bytes, holds the shipped agent, and no key', async () => {
  const agent = join(root, 'dist/machinedb-agent');
  const cache = join(root, 'node_modules/.cache/machinedb');
  const digests = [];
  for (const name of ['one', 'two']) {
    const out = join(directory, name);
    mkdirSync(out);
    const { kernel, initrd, loader, rescue, packages } = buildDiscovery({ out, agent, cache, level: 1 });
    expect(Object.keys(packages)).toEqual(expect.arrayContaining(['busybox-static', 'openssh-server']));
    digests.push([await digestOf(kernel), await digestOf(initrd), await digestOf(loader), await digestOf(rescue)]);
  }
  expect(digests[0]).toEqual(digests[1]);
  const unpacked = join(directory, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('sh', ['-c', `zstd -dc ${join(directory, 'one/initrd')} | cpio -i --quiet`], { cwd: unpacked });
  expect(await digestOf(join(unpacked, 'bin/machinedb-agent'))).toBe(await digestOf(agent));
  const scripts = ['init', 'lease'].map((name) => readFileSync(join(unpacked, name), 'utf8'));
  expect(scripts.join('')).not.toContain('PRIVATE KEY');
  // No other boot than a rescue carries an SSH server; with its part, and nothing of this machine, it runs.
  expect(existsSync(join(unpacked, 'usr/sbin/sshd'))).toBe(false);
  execFileSync('sh', ['-c', `zstd -dc ${join(directory, 'one/rescue')} | cpio -iu --quiet`], { cwd: unpacked });
  expect(globSync('**/*host*key*', { cwd: unpacked })).toEqual([]);
  writeFileSync(join(unpacked, 'dev/null'), '');
  const inside = (...words: string[]) => spawnSync('chroot', [unpacked, ...words], { encoding: 'utf8' });
  expect(inside('/usr/sbin/sshd', '-V').stderr).toMatch(/^OpenSSH_/m);
  expect(inside('/usr/bin/ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/tmp/key').status).toBe(0);
  // What Secure Boot and the kernel's lockdown ask for: Debian's signatures, and no module that was changed on its way.
  expect(hasSignature(readFileSync(join(directory, 'one/kernel')))).toBe(true);
  expect(hasSignature(readFileSync(join(directory, 'one/grub/BOOTX64.EFI')))).toBe(false);
  const drivers = globSync('lib/modules/**/*.ko', { cwd: unpacked });
  expect(drivers.length).toBeGreaterThan(50);
  const unsigned = drivers.filter(
    (path) => !readFileSync(join(unpacked, path)).subarray(-28).equals(Buffer.from('~Module signature appended~\n')),
  );
  expect(unsigned).toEqual([]);
}, 120_000);

/** Whether a UEFI program has a table of certificates (PE format, optional header, data directory 4). */
function hasSignature(program: Buffer): boolean {
  const directories = program.readUInt32LE(0x3c) + 24 + 112;
  return program.readUInt32LE(directories + 4 * 8 + 4) > 0;
}

test('a disk has a GPT whose partitions are where GRUB for BIOS expects them', () => {
  const layout = layoutOf(100 * 1024 * 1024);
  const file = join(directory, 'disk');
  execFileSync('truncate', ['-s', String(layout.size), file]);
  run('sfdisk', ['-q', file], { input: sfdiskScript(layout) });
  const table = JSON.parse(run('sfdisk', ['-J', file])) as {
    partitiontable: { partitions: { start: number; size: number }[] };
  };
  expect(table.partitiontable.partitions.map(({ start, size }) => ({ start: start * 512, size: size * 512 }))).toEqual([
    layout.bios,
    layout.esp,
    layout.root,
  ]);
  const disk = readFileSync(file);
  const table0 = disk.subarray(0x1b8, 1024 * 1024).toString('hex');
  embedBiosGrub(disk, layout, makeBiosGrub(join(directory, 'grub')));
  // The partition table stays; the MBR names the sector of core.img, and core.img that of its own rest.
  expect(disk.subarray(0x1b8, 1024 * 1024).toString('hex')).toBe(table0);
  expect(Number(disk.readBigUInt64LE(0x5c)) * 512).toBe(layout.bios.start);
  expect(Number(disk.readBigUInt64LE(layout.bios.start + 500)) * 512).toBe(layout.bios.start + 512);
});

test('109 an image is not sealed while it holds a key, an identity, or anything of one machine', () => {
  const system = join(directory, 'system');
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(system, path)), { recursive: true });
    writeFileSync(join(system, path), text);
  };
  put('etc/machine-id', '');
  put('etc/hosts', '127.0.0.1 localhost\n');
  expect(sealViolations(system)).toEqual([]);
  put('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  put('etc/ssh/ssh_host_ed25519_key.pub', 'ssh-ed25519 AAAA');
  put('etc/ssl/private/x.pem', 'x\n-----BEGIN RSA PRIVATE KEY-----\n');
  put('opt/app/k', '-----BEGIN PRIVATE KEY-----');
  put('home/ann/.ssh/id_ed25519', '-----BEGIN OPENSSH PRIVATE KEY-----');
  put('root/.bash_history', 'ls');
  put('var/lib/machinedb-agent/identity.json', '{}');
  put('etc/machinedb/agent.json', '{}');
  put('var/lib/systemd/random-seed', 'x');
  expect(sealViolations(system)).toEqual([
    'etc/machine-id: a machine id',
    'etc/machinedb/agent.json: the address of a server',
    'etc/ssh/ssh_host_ed25519_key.pub: an SSH host key',
    'etc/ssl/private/x.pem: a private key',
    "root/.bash_history: somebody's files",
    "home/ann/.ssh/id_ed25519: somebody's files",
    'opt/app/k: a private key',
    "var/lib/machinedb-agent/identity.json: a node's identity or state",
    'var/lib/systemd/random-seed: a seed of random numbers',
  ]);
});
