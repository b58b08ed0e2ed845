import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Result, Run } from '../command.ts';
import { type Facts, observeEach } from '../facts.ts';
import { observers } from '../sections/index.ts';
import { openSystem } from '../system.ts';
import { type ApplyOptions, applyWanted, undo, type Wanted } from './apply.ts';
import { writeFile } from './files.ts';
import { readPending, restore, writePending } from './snapshot.ts';

const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7YTq3s2n7y1n1p0P8m0Vj2v5m3c9bXv0oQ8e3dQfKq ann';
const wanted: Wanted = {
  hostname: { hostname: 'web1', fqdn: 'web1.example.org' },
  network: {
    interfaces: { eth0: { mtu: 9000, addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.1' } },
    dns: { servers: { '10.1.0.53': true }, search: { 'example.org': true } },
  },
  ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': {} } } },
  repos: {
    apt: {
      base: {
        uris: { 'http://deb.example.org/debian': true },
        suites: { bookworm: true },
        components: { main: true, contrib: true },
        signed_by: '/etc/apt/keyrings/machinedb-base.asc',
      },
    },
  },
  material: { 'SHA256:k': line, '/etc/apt/keyrings/machinedb-base.asc': 'KEY\n' },
};

let root: string;
let state: string;
let commands: string[];
/** What a command answers, by its first words; all else succeeds. */
let answers: Record<string, Partial<Result>>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-apply-'));
  state = mkdtempSync(join(tmpdir(), 'machinedb-apply-state-'));
  commands = [];
  answers = {};
  const files = {
    'etc/hostname': 'localhost\n',
    'etc/hosts': '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
    'root/.ssh/authorized_keys': 'ssh-rsa AAAA somebody\n',
    'etc/apt/sources.list.d/theirs.sources': 'Types: deb\n',
    'proc/sys/kernel/hostname': 'localhost\n',
    'run/systemd/resolve/resolv.conf': '',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
});
afterEach(() => {
  for (const folder of [root, state]) rmSync(folder, { recursive: true });
});

const run: Run = (command, args) => {
  const text = [command, ...args].join(' ');
  commands.push(text);
  const [, answer] = Object.entries(answers).find(([start]) => text.startsWith(start)) ?? [];
  return { status: 0, stdout: '', stderr: '', ...answer };
};

/** What the machine reports once it is as wanted; before, its files only. */
const asWanted = (): Facts =>
  ({
    sections: {
      ...observeEach({ hostname: observers.hostname }, openSystem(root)).sections,
      hostname: { hostname: 'web1', domain: 'example.org', fqdn: 'web1.example.org' },
      network: {
        interfaces: { eth0: { mtu: 9000, addresses: { '10.1.0.5/24': { family: 'ipv4' } }, gateway: '10.1.0.1' } },
        dns: wanted.network!.dns,
      },
      ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': { type: 'ssh-ed25519' } } } },
      repos: wanted.repos,
      nics: { '52:54:00:00:00:01': { name: 'eth0', mac: '52:54:00:00:00:01' } },
    },
    errors: {},
  }) as unknown as Facts;

function options(more: Partial<ApplyOptions> = {}): ApplyOptions {
  let now = 0;
  return {
    root,
    state,
    run,
    wanted,
    generation: 7,
    mode: 'enforce',
    observe: asWanted,
    probe: async () => undefined,
    deadlineMs: 5000,
    clock: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    ...more,
  };
}

function tree(): Record<string, string> {
  const files = (readdirSync(root, { recursive: true }) as string[]).filter((path) =>
    statSync(join(root, path)).isFile(),
  );
  return Object.fromEntries(files.sort().map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

test('everything is written as it should be, once, and in order', async () => {
  const { outcome, steps } = await applyWanted(options());
  expect(outcome).toBe('applied');
  expect(steps.map((step) => step.split('\n')[0])).toEqual([
    '/etc/hostname',
    '/etc/hosts',
    '/etc/apt/sources.list.d/base.sources',
    '/etc/apt/keyrings/machinedb-base.asc',
    '/etc/ssh/sshd_config.d/00-machinedb.conf',
    '/root/.ssh/authorized_keys',
    '/etc/systemd/network/10-machinedb-eth0.network',
    ...['reload hostname', 'reload repos', 'reload ssh', 'reload network'],
  ]);
  const header = '# Written by machinedb-agent. Changes here are undone: change the intent, machinedb intent put.\n';
  expect(tree()).toEqual({
    'etc/hostname': 'web1\n',
    'etc/hosts': '127.0.0.1\tlocalhost\n127.0.1.1\tweb1.example.org web1\n::1\tlocalhost\n',
    'etc/passwd': expect.anything(),
    'etc/apt/keyrings/machinedb-base.asc': 'KEY\n',
    'etc/apt/sources.list.d/base.sources': `${header}Types: deb\nURIs: http://deb.example.org/debian\nSuites: bookworm\nComponents: contrib main\nSigned-By: /etc/apt/keyrings/machinedb-base.asc\n`,
    'etc/apt/sources.list.d/theirs.sources': 'Types: deb\n',
    'etc/ssh/sshd_config.d/00-machinedb.conf': `${header}# Keys are kept for: root\nPasswordAuthentication no\n`,
    'etc/systemd/network/10-machinedb-eth0.network': `${header}[Match]\nPermanentMACAddress=52:54:00:00:00:01\n\n[Link]\nMTUBytes=9000\n\n[Network]\nDHCP=no\nAddress=10.1.0.5/24\nGateway=10.1.0.1\nDNS=10.1.0.53\nDomains=example.org\n`,
    'proc/sys/kernel/hostname': 'web1',
    'run/systemd/resolve/resolv.conf': '',
    'root/.ssh/authorized_keys': `ssh-rsa AAAA somebody\n# machinedb-agent: keys between these lines are its\n${line}\n# machinedb-agent: end\n`,
  });
  expect(commands).toEqual([
    'systemd-run --quiet --collect --on-active=25 --unit=machinedb-undo /usr/bin/machinedb-agent recover --reload --state ' +
      state,
    'apt-get indextargets -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/base.sources -o Dir::Etc::sourceparts=/dev/null',
    'ssh-keygen -A',
    'sshd -t',
    'systemctl reload-or-restart ssh.service',
    'networkctl reload',
    'networkctl reconfigure eth0',
    'ping -c 1 -W 2 -I eth0 10.1.0.1',
    'systemctl stop machinedb-undo.timer',
  ]);
  commands = [];
  expect(await applyWanted(options())).toEqual({ outcome: 'same', steps: [] });
  expect(commands).toEqual([]);
});

test('plan tells and touches nothing', async () => {
  const before = tree();
  const { outcome, steps } = await applyWanted(options({ mode: 'plan' }));
  expect(outcome).toBe('planned');
  expect(steps[0]).toBe('/etc/hostname\n- localhost\n+ web1');
  expect(tree()).toEqual(before);
  expect(commands).toEqual([]);
  expect(readdirSync(state)).toEqual([]);
});

test('what is not ours stays: keys of others, sources of others; a source of ours that is not wanted goes', async () => {
  await applyWanted(options());
  await applyWanted(options({ wanted: { ...wanted, repos: { apt: {} } } }));
  const files = Object.keys(tree());
  expect(files).toContain('etc/apt/sources.list.d/theirs.sources');
  expect(files).not.toContain('etc/apt/sources.list.d/base.sources');
  expect(files).not.toContain('etc/apt/keyrings/machinedb-base.asc');
});

test('a gateway that is silent: all is as before, the cause is told, and the generation is not tried again', async () => {
  const before = tree();
  answers = { ping: { status: 1 }, 'ip -4 neigh': { stdout: '10.1.0.1 FAILED' } };
  const reason = 'gateway 10.1.0.1 does not answer ARP on eth0';
  expect(await applyWanted(options())).toMatchObject({ outcome: 'undone', reason });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason });
  answers = {};
  expect(await applyWanted(options({ generation: 8 }))).toMatchObject({ outcome: 'applied' });
});

test('a machine without ping: the server alone decides', async () => {
  answers = { ping: { status: null, stderr: 'spawnSync ping ENOENT' } };
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('a file that cannot be put back does not keep the others from it, and is tried again', async () => {
  const before = tree();
  const keys = join(root, 'root/.ssh/authorized_keys');
  const probe = async () => {
    rmSync(keys);
    mkdirSync(keys);
    throw new Error('connection refused');
  };
  await expect(applyWanted(options({ probe }))).rejects.toThrow('/root/.ssh/authorized_keys is not a regular file');
  const others: Record<string, string> = { ...before, 'proc/sys/kernel/hostname': 'localhost' };
  delete others['root/.ssh/authorized_keys'];
  expect(tree()).toEqual(others);
  expect(commands.slice(-2)).toEqual(['networkctl reload', 'networkctl reconfigure eth0']);
  rmSync(keys, { recursive: true });
  expect(undo({ root, state, run }, 'again')).toBe(true);
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('a server that is away while the gateway answers: undone, and tried again when it is back', async () => {
  const probe = async () => {
    throw new Error('connection refused');
  };
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the gateway answers, but the server does not: connection refused',
  });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('98 a configuration that sshd refuses is undone before the server reads it', async () => {
  answers = { 'sshd -t': { status: 255, stderr: 'Bad configuration option' } };
  const { outcome, reason } = await applyWanted(options());
  expect({ outcome, reason }).toEqual({ outcome: 'undone', reason: 'sshd -t failed (255): Bad configuration option' });
  expect(commands).not.toContain('systemctl reload-or-restart ssh.service');
});

test('what does not show after it was applied is undone, and the first difference is named', async () => {
  const observe = () =>
    ({ ...asWanted(), sections: { ...asWanted().sections, ssh: { password_authentication: true } } }) as Facts;
  const { outcome, reason } = await applyWanted(options({ observe }));
  expect(outcome).toBe('undone');
  expect(reason).toBe('ssh/password_authentication is true after it was applied, wanted false');
});

test('96 an answer after the deadline confirms nothing', async () => {
  const before = tree();
  let now = 0;
  const probe = async () => {
    now += 5001;
  };
  expect(await applyWanted(options({ probe, clock: () => now }))).toMatchObject({
    outcome: 'undone',
    reason: 'the server answered after the deadline only',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('96 what the timer has undone cannot be confirmed any more, and is not tried again', async () => {
  const before = tree();
  const probe = async () => {
    undo({ root, state, run }, 'the deadline is over');
  };
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the change was undone before it was confirmed',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason: 'the deadline is over' });
});

test('97 a second change while one waits for its confirmation is refused', async () => {
  writePending(root, state, { generation: 6, sections: ['ssh'], interfaces: [] }, []);
  await expect(applyWanted(options())).rejects.toThrow('another change of this machine is not confirmed yet');
});

test('95 cut off after any write: the files are the old ones again, and it may be cut off again while that is done', async () => {
  const before = tree();
  const changes = (await applyWanted(options({ mode: 'plan' }))).steps.filter((step) => step.startsWith('/'));
  const all = changes.map((step) => step.split('\n')[0]!);
  for (let done = 0; done <= all.length; done++) {
    const saved = `${root}-${done}`;
    cpSync(root, saved, { recursive: true });
    const planned = all.map((path) => ({
      section: 'ssh' as const,
      path,
      before: before[path.slice(1)],
      after: 'new\n',
      mode: 0o644,
    }));
    writePending(saved, state, { generation: 9, sections: ['ssh'], interfaces: [] }, planned);
    for (const { path, after, mode } of planned.slice(0, done)) writeFile(saved, path, after, mode);
    const pending = readPending(state)!;
    // The first attempt to undo is cut off after a file.
    for (const { path, before: old, mode } of pending.files.slice(0, 1)) writeFile(saved, path, old ?? undefined, mode);
    expect(restore(saved, state, 'reset')).toMatchObject({ generation: 9 });
    const paths = (readdirSync(saved, { recursive: true }) as string[]).filter((path) =>
      statSync(join(saved, path)).isFile(),
    );
    expect(Object.fromEntries(paths.sort().map((path) => [path, readFileSync(join(saved, path), 'utf8')]))).toEqual(
      before,
    );
    rmSync(saved, { recursive: true });
  }
  expect(restore(root, state, 'again')).toBeUndefined();
});

test('recover --reload lets the old files be in force', () => {
  writePending(root, state, { generation: 6, sections: ['ssh', 'network'], interfaces: ['eth0'] }, []);
  expect(undo({ root, state, run }, 'the agent ended')).toBe(true);
  expect(commands).toEqual([
    ...['systemctl stop machinedb-undo.timer', 'ssh-keygen -A', 'sshd -t', 'systemctl reload-or-restart ssh.service'],
    ...['networkctl reload', 'networkctl reconfigure eth0'],
  ]);
});

test('where netplan is in use it gets the files, and checks them', async () => {
  mkdirSync(join(root, 'usr/sbin'), { recursive: true });
  mkdirSync(join(root, 'etc/netplan'));
  writeFileSync(join(root, 'usr/sbin/netplan'), '');
  writeFileSync(join(root, 'etc/netplan/50-cloud-init.yaml'), 'network: {version: 2}\n');
  await applyWanted(options());
  expect(
    tree()['etc/netplan/90-machinedb.yaml'],
  ).toBe(`# Written by machinedb-agent. Changes here are undone: change the intent, machinedb intent put.
network:
  version: 2
  ethernets:
    "eth0":
      match: {macaddress: "52:54:00:00:00:01"}
      set-name: "eth0"
      mtu: 9000
      dhcp4: false
      addresses: ["10.1.0.5/24"]
      routes: [{to: "0.0.0.0/0", via: "10.1.0.1"}]
      nameservers: {addresses: ["10.1.0.53"], search: ["example.org"]}
`);
  expect(statSync(join(root, 'etc/netplan/90-machinedb.yaml')).mode & 0o777).toBe(0o600);
  expect(commands).toContain('netplan generate');
});
