import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASKED, line, machine, options, tree, wanted } from '../testing/applying.fixture.ts';
import { applyWanted, proveBoot } from './apply.ts';
import { takeStaged } from './next-boot.ts';
import { readPending } from './snapshot.ts';

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
  expect(machine.commands).toEqual([
    expect.stringMatching(
      /^apt-get indextargets -o Dir::Etc::sourcelist=.*\/check-\w+\/etc\/apt\/sources.list.d\/base.sources -o/,
    ),
    'ssh-keygen -A',
    expect.stringMatching(/^sshd -t -f .*\/check-\w+\/etc\/ssh\/sshd_config$/),
    expect.stringMatching(/^systemd-run --quiet --pipe .* timeout --signal TERM 3 \S+\/systemd-networkd$/),
    'systemd-run --quiet --collect --on-active=10 --timer-property=AccuracySec=1s --unit=machinedb-undo /usr/bin/machinedb-agent recover --reload --state ' +
      machine.state,
    'systemctl reload-or-restart ssh.service',
    'networkctl reload',
    'ping -c 1 -W 2 -I eth0 10.1.0.1',
    'ping -c 1 -W 2 -M do -s 56 -I eth0 10.1.0.1',
    'ping -c 1 -W 2 -M do -s 8972 -I eth0 10.1.0.1',
    ASKED,
    'systemctl stop machinedb-undo.timer',
  ]);
  machine.commands = [];
  expect(await applyWanted(options())).toEqual({ outcome: 'same', steps: [] });
  expect(machine.commands).toEqual([]);
});

test('plan tells and touches nothing', async () => {
  const before = tree();
  const { outcome, steps } = await applyWanted(options({ mode: 'plan' }));
  expect(outcome).toBe('planned');
  expect(steps[0]).toBe('/etc/hostname\n- localhost\n+ web1');
  expect(tree()).toEqual(before);
  expect(machine.commands).toEqual([]);
  expect(readdirSync(machine.state)).toEqual([]);
});

test('what is not ours stays: keys of others, sources of others; a source of ours that is not wanted goes', async () => {
  await applyWanted(options());
  await applyWanted(options({ wanted: { ...wanted, repos: { apt: {} } } }));
  const files = Object.keys(tree());
  expect(files).toContain('etc/apt/sources.list.d/theirs.sources');
  expect(files).not.toContain('etc/apt/sources.list.d/base.sources');
  expect(files).not.toContain('etc/apt/keyrings/machinedb-base.asc');
});

test('what systemd-networkd does not take is told before anything is touched', async () => {
  const before = tree();
  const line = '/etc/systemd/network/10-machinedb-eth0.network:7: Failed to parse MTUBytes=, ignoring assignment: x';
  machine.answers = { 'systemd-run --quiet --pipe': { stderr: `${line}\nEnumeration completed\n` } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason:
      'systemd-networkd does not take what is wanted: 10-machinedb-eth0.network:7: Failed to parse MTUBytes=, ignoring assignment: x',
  });
  expect(tree()).toEqual(before);
});

test('at the next boot: nothing is touched now; at boot the files are written, and proven by the agent or undone', async () => {
  const before = tree();
  const network = { ...wanted.network!, unobserved: { apply: 'next_boot' as const } };
  const later = options({ wanted: { ...wanted, network } });
  expect(await applyWanted(later)).toMatchObject({ outcome: 'planned', reason: 'it is done at the next boot' });
  expect(tree()).toEqual(before);
  expect(takeStaged(machine.root, machine.state, 'boot-2')).toBe(true);
  expect(readPending(machine.state)).toMatchObject({ generation: 7, boot: 'boot-2' });
  expect(tree()['etc/hostname']).toBe('web1\n');
  expect(await proveBoot(later)).toEqual({ outcome: 'applied', steps: [] });
  expect(takeStaged(machine.root, machine.state, 'boot-3')).toBe(false);
  // Another generation forgets the one that waits.
  writeFileSync(join(machine.root, 'etc/hostname'), 'other\n');
  await applyWanted({ ...later, generation: 8 });
  await applyWanted(options({ generation: 9 }));
  expect(takeStaged(machine.root, machine.state, 'boot-4')).toBe(false);
});

test('98 a configuration that sshd refuses is told before anything is touched', async () => {
  const before = tree();
  machine.answers = { 'sshd -t': { status: 255, stderr: 'Bad configuration option' } };
  expect(await applyWanted(options())).toMatchObject({
    outcome: 'undone',
    reason: 'sshd -t -f /etc/ssh/sshd_config failed (255): Bad configuration option',
  });
  expect(tree()).toEqual(before);
  expect(machine.commands).not.toContain('systemctl reload-or-restart ssh.service');
});

test('where netplan is in use it gets the files, and checks them', async () => {
  mkdirSync(join(machine.root, 'usr/sbin'), { recursive: true });
  mkdirSync(join(machine.root, 'etc/netplan'));
  writeFileSync(join(machine.root, 'usr/sbin/netplan'), '');
  writeFileSync(join(machine.root, 'etc/netplan/50-cloud-init.yaml'), 'network: {version: 2}\n');
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
  expect(statSync(join(machine.root, 'etc/netplan/90-machinedb.yaml')).mode & 0o777).toBe(0o600);
  expect(machine.commands).toContain('netplan generate');
});
