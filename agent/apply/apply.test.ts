import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Result, Run } from '../command.ts';
import { type Facts, observeEach } from '../facts.ts';
import { observers } from '../sections/index.ts';
import { openSystem } from '../system.ts';
import { type ApplyOptions, applyWanted, mendWhileAway, proveBoot, undo } from './apply.ts';
import { writeFile } from './files.ts';
import { takeStaged } from './next-boot.ts';
import { releaseSections } from './owned.ts';
import type { Wanted } from './sections.ts';
import { confirmedVrf, confirmPending, readPending, restore, writePending } from './snapshot.ts';

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

const links = { interfaces: [], renderer: 'networkd' as const, links: { before: {}, after: {} }, mtus: {} };

let root: string;
let state: string;
let commands: string[];
/** What a command answers, by its first words; all else succeeds. */
let answers: Record<string, Partial<Result>>;
/** The kernel has the wanted route. */
const ASKED = 'ip -4 route show exact 0.0.0.0/0 table main';
const ROUTE = { [ASKED]: { stdout: 'default via 10.1.0.1 dev eth0 proto static \n' } };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-apply-'));
  state = mkdtempSync(join(tmpdir(), 'machinedb-apply-state-'));
  commands = [];
  answers = { ...ROUTE };
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
    host: '192.0.2.1',
    ask: async () => true,
    deadlineMs: 5000,
    clock: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    ...more,
  };
}

/** A server that answers before the change, and then as `later` says: 1 is the first time of it. */
function afterwards(later: (time: number) => void): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls > 1) later(calls - 1);
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
    'etc/systemd/network/10-machinedb-eth0.network': `${header}[Match]\nPermanentMACAddress=52:54:00:00:00:01\n\n[Link]\nMTUBytes=9000\n\n[Network]\nDHCP=no\nAddress=10.1.0.5/24\nDNS=10.1.0.53\nDomains=example.org\n\n[Route]\nDestination=0.0.0.0/0\nGateway=10.1.0.1\n`,
    'proc/sys/kernel/hostname': 'web1',
    'run/systemd/resolve/resolv.conf': '',
    'root/.ssh/authorized_keys': `ssh-rsa AAAA somebody\n# machinedb-agent: keys between these lines are its\n${line}\n# machinedb-agent: end\n`,
  });
  expect(commands).toEqual([
    expect.stringMatching(
      /^apt-get indextargets -o Dir::Etc::sourcelist=.*\/check-\w+\/etc\/apt\/sources.list.d\/base.sources -o/,
    ),
    'ssh-keygen -A',
    expect.stringMatching(/^sshd -t -f .*\/check-\w+\/etc\/ssh\/sshd_config$/),
    expect.stringMatching(/^systemd-run --quiet --pipe .* timeout --signal TERM 3 \S+\/systemd-networkd$/),
    'systemd-run --quiet --collect --on-active=10 --timer-property=AccuracySec=1s --unit=machinedb-undo /usr/bin/machinedb-agent recover --reload --state ' +
      state,
    'systemctl reload-or-restart ssh.service',
    'networkctl reload',
    'ping -c 1 -W 2 -I eth0 10.1.0.1',
    'ping -c 1 -W 2 -M do -s 56 -I eth0 10.1.0.1',
    'ping -c 1 -W 2 -M do -s 8972 -I eth0 10.1.0.1',
    ASKED,
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
  answers = { ...ROUTE };
  expect(await applyWanted(options({ generation: 8 }))).toMatchObject({ outcome: 'applied' });
});

test('a machine without ping: the server alone decides', async () => {
  answers = { ...ROUTE, ping: { status: null, stderr: 'spawnSync ping ENOENT' } };
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('a file that cannot be put back does not keep the others from it, and is tried again', async () => {
  const before = tree();
  const keys = join(root, 'root/.ssh/authorized_keys');
  const probe = afterwards((time) => {
    if (time === 1) {
      rmSync(keys);
      mkdirSync(keys);
    }
    throw new Error('connection refused');
  });
  await expect(applyWanted(options({ probe }))).rejects.toThrow('/root/.ssh/authorized_keys is not a regular file');
  const others: Record<string, string> = { ...before, 'proc/sys/kernel/hostname': 'localhost' };
  delete others['root/.ssh/authorized_keys'];
  expect(tree()).toEqual(others);
  expect(commands.slice(-2)).toEqual(['networkctl reload', 'ip link set dev eth0 mtu 9000']);
  rmSync(keys, { recursive: true });
  expect(undo({ root, state, run }, 'again')).toBe(true);
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('a server that goes away in the middle while the gateway answers: undone, and tried again when it is back', async () => {
  const probe = afterwards(() => {
    throw new Error('connection refused');
  });
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the gateway answers, but the server does not: connection refused',
  });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'applied' });
});

test('a server that answers over the old network and not over the new one: undone for good', async () => {
  const isNew = () => tree()['etc/systemd/network/10-machinedb-eth0.network'] !== undefined;
  const probe = async () => {
    if (isNew()) throw new Error('no answer within 5 s');
  };
  const reason =
    'the gateway answers, but the server does not: no answer within 5 s; over the configuration before it does: a wrong mask or route, or a firewall is in the way';
  expect(await applyWanted(options({ probe }))).toMatchObject({ outcome: 'undone', reason });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason });
});

test('a route that networkd has given up is set when it is asked once more, within the deadline', async () => {
  answers = {};
  const again = 'networkctl reconfigure eth0';
  const asked: Run = (command, args) => {
    const result = run(command, args);
    if (commands.at(-1) === again) answers = { ...ROUTE };
    return result;
  };
  expect(await applyWanted(options({ run: asked, deadlineMs: 10_000 }))).toMatchObject({ outcome: 'applied' });
  expect(commands.filter((each) => each === again)).toHaveLength(1);
  answers = {};
  rmSync(join(root, 'etc/systemd/network/10-machinedb-eth0.network'));
  expect(await applyWanted(options({ deadlineMs: 10_000 }))).toMatchObject({
    outcome: 'undone',
    reason: 'the route to 0.0.0.0/0 by 10.1.0.1 on eth0 is not there: what configures the network has not set it',
  });
});

test('while the server is away, files that are in force are so once more where a route is missing; others are let alone', async () => {
  const mended = () => {
    commands = [];
    mendWhileAway({ root, state, run, wanted, observe: asWanted });
    return commands.filter((each) => each.startsWith('networkctl'));
  };
  const again = ['networkctl reconfigure eth0'];
  answers = {};
  expect(mended()).toEqual([]);
  answers = { ...ROUTE };
  await applyWanted(options());
  expect(mended()).toEqual([]);
  answers = {};
  expect(mended()).toEqual(again);
  // One that cannot be planned must not end the agent: it has to go on asking for its server.
  const planless = { ...wanted, network: { ...wanted.network, unobserved: { renderer: 'ifupdown' as const } } };
  mendWhileAway({ root, state, run, wanted: planless, observe: asWanted });
  writePending(root, state, { generation: 8, sections: ['network'], ...links }, []);
  expect(mended()).toEqual([]);
  confirmPending(state);
  expect(mended()).toEqual(again);
  releaseSections(root, state, ['network']);
  expect(mended()).toEqual([]);
});

test('nothing is begun while the server is away', async () => {
  const before = tree();
  const probe = async () => {
    throw new Error('connection refused');
  };
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'skipped',
    reason: 'nothing is begun while the server is away: connection refused',
  });
  expect(tree()).toEqual(before);
  expect(readPending(state)).toBeUndefined();
});

test('a change without a network leaves the way to the server in its VRF', async () => {
  writePending(root, state, { generation: 6, sections: [], vrf: 'red', ...links }, []);
  confirmPending(state);
  const { network: _, ...rest } = wanted;
  expect(await applyWanted(options({ wanted: rest, host: '10.1.0.1' }))).toMatchObject({ outcome: 'applied' });
  expect(confirmedVrf(state)).toBe('red');
});

test('the proof comes from an address of the new network, not from an old one', async () => {
  const from: (string | undefined)[] = [];
  await applyWanted(
    options({
      host: '10.9.0.1',
      probe: async (way) => {
        from.push(way?.address);
      },
    }),
  );
  expect(from).toEqual([undefined, '10.1.0.5']);
});

test('an address that somebody else has is seen before anything is touched', async () => {
  const before = tree();
  answers = { arping: { status: 1, stdout: 'Unicast reply from 10.1.0.5 [52:54:00:AA:BB:CC]  1.2ms\n' } };
  const observe = () => ({ ...asWanted(), sections: { nics: asWanted().sections.nics } }) as Facts;
  expect(await applyWanted(options({ observe }))).toMatchObject({
    outcome: 'undone',
    reason: 'address 10.1.0.5 is in use on eth0 by 52:54:00:aa:bb:cc already: take another, or find who has it',
  });
  expect(tree()).toEqual(before);
});

test('an MTU that the switch does not have is undone, and named', async () => {
  answers = { 'ping -c 1 -W 2 -M do -s 8972': { status: 1 } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason:
      "packets of 9000 bytes do not pass to gateway 10.1.0.1 on eth0, small ones do: the switch's or the gateway's MTU is smaller",
  });
  // A file that says no MTU leaves the one that is.
  expect(commands.slice(-2)).toEqual(['networkctl reload', 'ip link set dev eth0 mtu 9000']);
});

test('name servers that are dead are undone, and named', async () => {
  expect(await applyWanted(options({ ask: async () => false }))).toMatchObject({
    outcome: 'undone',
    reason: 'name server 10.1.0.53 does not answer',
  });
});

test('what systemd-networkd does not take is told before anything is touched', async () => {
  const before = tree();
  const line = '/etc/systemd/network/10-machinedb-eth0.network:7: Failed to parse MTUBytes=, ignoring assignment: x';
  answers = { 'systemd-run --quiet --pipe': { stderr: `${line}\nEnumeration completed\n` } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason:
      'systemd-networkd does not take what is wanted: 10-machinedb-eth0.network:7: Failed to parse MTUBytes=, ignoring assignment: x',
  });
  expect(tree()).toEqual(before);
});

test('confirm_within_s of the intent is the deadline', async () => {
  const network = { ...wanted.network!, unobserved: { confirm_within_s: 300 } };
  await applyWanted(options({ wanted: { ...wanted, network } }));
  expect(commands).toContainEqual(expect.stringContaining('--on-active=305'));
});

test('at the next boot: nothing is touched now; at boot the files are written, and proven by the agent or undone', async () => {
  const before = tree();
  const network = { ...wanted.network!, unobserved: { apply: 'next_boot' as const } };
  const later = options({ wanted: { ...wanted, network } });
  expect(await applyWanted(later)).toMatchObject({ outcome: 'planned', reason: 'it is done at the next boot' });
  expect(tree()).toEqual(before);
  expect(takeStaged(root, state, 'boot-2')).toBe(true);
  expect(readPending(state)).toMatchObject({ generation: 7, boot: 'boot-2' });
  expect(tree()['etc/hostname']).toBe('web1\n');
  expect(await proveBoot(later)).toEqual({ outcome: 'applied', steps: [] });
  expect(takeStaged(root, state, 'boot-3')).toBe(false);
  // Another generation forgets the one that waits.
  writeFileSync(join(root, 'etc/hostname'), 'other\n');
  await applyWanted({ ...later, generation: 8 });
  await applyWanted(options({ generation: 9 }));
  expect(takeStaged(root, state, 'boot-4')).toBe(false);
});

test('98 a configuration that sshd refuses is told before anything is touched', async () => {
  const before = tree();
  answers = { 'sshd -t': { status: 255, stderr: 'Bad configuration option' } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason: 'sshd -t -f /etc/ssh/sshd_config failed (255): Bad configuration option',
  });
  expect(tree()).toEqual(before);
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
  const probe = afterwards(() => {
    now += 5001;
  });
  expect(await applyWanted(options({ probe, clock: () => now }))).toMatchObject({
    outcome: 'undone',
    reason: 'the server answered after the deadline only',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('96 the time that a reload takes is of the deadline', async () => {
  let now = 0;
  const slow: Run = (command, args) => {
    if (command === 'networkctl') now += 5001;
    return run(command, args);
  };
  expect(await applyWanted(options({ run: slow, clock: () => now }))).toMatchObject({
    outcome: 'undone',
    reason: 'the server answered after the deadline only',
  });
});

test('96 what the timer has undone while it was made is told as that', async () => {
  let undoing = false;
  const slow: Run = (command, args) => {
    if (command === 'networkctl' && !undoing) {
      undoing = true;
      undo({ root, state, run }, 'the deadline is over');
    }
    return run(command, args);
  };
  expect(await applyWanted(options({ run: slow }))).toMatchObject({
    outcome: 'undone',
    reason: 'it took longer than the 5 s that it has to make the change',
  });
});

test('96 what the timer has undone cannot be confirmed any more, and is not tried again', async () => {
  const before = tree();
  const probe = afterwards(() => {
    undo({ root, state, run }, 'the deadline is over');
  });
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the change was undone before it was confirmed',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason: 'the deadline is over' });
});

test('97 a second change while one waits for its confirmation is refused', async () => {
  writePending(root, state, { generation: 6, sections: ['ssh'], ...links }, []);
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
    writePending(saved, state, { generation: 9, sections: ['ssh'], ...links }, planned);
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
  writePending(root, state, { generation: 6, sections: ['ssh', 'network'], ...links, interfaces: ['eth0'] }, []);
  expect(undo({ root, state, run }, 'the agent ended')).toBe(true);
  expect(commands).toEqual([
    ...['systemctl stop machinedb-undo.timer', 'systemctl reload-or-restart ssh.service'],
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
