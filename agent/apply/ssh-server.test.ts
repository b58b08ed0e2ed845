import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { differences } from '../../shared/diff.ts';
import { resolveSsh, sshMaterial } from '../../shared/resolve-ssh.ts';
import type { SshIntended } from '../../shared/sections/ssh.ts';
import { observe } from '../sections/ssh.ts';
import { openSystem } from '../system.ts';
import { PASSWORD, type SshMachine, startSshMachine } from '../testing/sshd.ts';
import { type Change, header } from './change.ts';
import { writeFile } from './files.ts';
import { HOST_CERTIFICATE, planSsh, reloadSsh } from './ssh.ts';
import { checkSsh } from './ssh-check.ts';

const SETTINGS = '/etc/ssh/sshd_config.d/00-machinedb.conf';

const keys = mkdtempSync(join(tmpdir(), 'machinedb-keys-'));
const keygen = (...args: string[]) => {
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', ...args], { cwd: keys, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
};
const publicKey = (name: string) => readFileSync(join(keys, `${name}.pub`), 'utf8').trim();

beforeAll(() => {
  for (const name of ['user', 'ca', 'other-ca', 'host-ca']) keygen('-N', '', '-t', 'ed25519', '-f', name);
  for (const [name, ca, principals] of [
    ['deploy', 'ca', 'deploy'],
    ['ann', 'ca', 'ann'],
    ['foreign', 'other-ca', 'deploy'],
  ] as const) {
    keygen('-s', ca, '-I', name, '-n', principals, 'user.pub');
    spawnSync('mv', ['user-cert.pub', `${name}-cert.pub`], { cwd: keys });
  }
});
afterAll(() => rmSync(keys, { recursive: true }));

let machine: SshMachine;
beforeEach(async () => {
  machine = await startSshMachine();
  // A key that somebody put there, which no intent knows.
  for (const [folder, uid] of [
    ['/root', 0],
    ['/home/ann', 7001],
  ] as const)
    machine.put(`${folder}/.ssh/authorized_keys`, `${publicKey('user')}\n`, uid);
});
afterEach(async () => await machine.stop());

/** Plans, has it checked by the real sshd, writes and reloads; what is there afterwards is as wanted. */
function apply(intended: SshIntended, material: Record<string, string> = {}, ca?: string): Change[] {
  const { root, run } = machine;
  const wanted = resolveSsh({ intended, observed: observe(openSystem(root)), ca, names: ['node1'] }, [])!;
  const changes = planSsh(root, wanted, { ...sshMaterial(intended), ...material });
  checkSsh(root, run, changes, join(root, 'state/check-'));
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  reloadSsh(run);
  expect(differences(wanted, observe(openSystem(root)))).toEqual([]);
  return changes;
}

const options = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'LogLevel=ERROR',
  'NumberOfPasswordPrompts=1',
];

/** Who one is after a log-in, or what sshd said. */
function logIn(user: string, ...more: string[]): string {
  const given = [...options, ...more].flatMap((option) => ['-o', option]);
  const askpass = join(keys, 'askpass');
  writeFileSync(askpass, `#!/bin/sh\necho ${PASSWORD}\n`);
  chmodSync(askpass, 0o755);
  const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' };
  const { stdout, stderr } = machine.client(
    'ssh',
    ['-F', '/dev/null', ...given, `${user}@127.0.0.1`, 'id', '-un'],
    env,
  );
  return `${stdout}${stderr}`.trim();
}
const byPassword = (user: string) => logIn(user, 'PreferredAuthentications=password');
const byAsking = (user: string) => logIn(user, 'PreferredAuthentications=keyboard-interactive');
const byKey = (user: string) => logIn(user, 'PreferredAuthentications=publickey', `IdentityFile=${keys}/user`);
const byCertificate = (user: string, certificate: string) =>
  logIn(
    user,
    'PreferredAuthentications=publickey',
    `IdentityFile=${keys}/user`,
    `CertificateFile=${keys}/${certificate}-cert.pub`,
  );

const refused = (user: string) => `${user}@127.0.0.1: Permission denied (publickey).`;

test('hardened by an intent that says nothing of it: neither passwords nor questions nor root', () => {
  expect([byPassword('ann'), byKey('ann'), byKey('root')]).toEqual(['ann', 'ann', 'root']);
  apply({ authorized_keys: { bob: { operator: publicKey('user') } } });
  expect(readFileSync(join(machine.root, SETTINGS), 'utf8')).toBe(`${header}
# Keys are kept for: bob
PasswordAuthentication no
KbdInteractiveAuthentication no
ChallengeResponseAuthentication no
PermitRootLogin no
X11Forwarding no
MaxAuthTries 4
LoginGraceTime 30
`);
  expect(byPassword('ann')).toBe(refused('ann'));
  expect(byAsking('ann')).toBe(refused('ann'));
  expect(byPassword('root')).toBe(refused('root'));
  expect(byKey('root')).toBe(refused('root'));
  expect([byKey('ann'), byKey('bob')]).toEqual(['ann', 'bob']);
  const effective = machine.run('sshd', ['-T']).stdout.split('\n');
  for (const setting of ['x11forwarding no', 'maxauthtries 4', 'logingracetime 30', 'permitrootlogin no'])
    expect(effective).toContain(setting);
});

test('an intended key of root opens root, and no password does; what the intent says goes before the default', () => {
  apply({ authorized_keys: { root: { operator: publicKey('user') } }, x11_forwarding: true });
  expect(byKey('root')).toBe('root');
  expect(byPassword('root')).toBe(refused('root'));
  apply({ password_authentication: true });
  expect(byPassword('ann')).toBe('ann');
});

test('a certificate of the user CA opens a user by a listed principal, and by no other', () => {
  rmSync(join(machine.root, '/home/ann/.ssh'), { recursive: true });
  const intended = { trusted_user_ca: { people: publicKey('ca') }, principals: { ann: { deploy: true as const } } };
  const changes = apply(intended);
  expect(changes.map(({ path, after }) => [path, after])).toEqual([
    [
      SETTINGS,
      `${header}
PasswordAuthentication no
KbdInteractiveAuthentication no
ChallengeResponseAuthentication no
PermitRootLogin no
X11Forwarding no
MaxAuthTries 4
LoginGraceTime 30
TrustedUserCAKeys /etc/ssh/machinedb-user-ca.pub
AuthorizedPrincipalsFile /etc/ssh/machinedb-principals/%u
`,
    ],
    ['/etc/ssh/machinedb-user-ca.pub', `${header}\n${publicKey('ca')}\n`],
    ['/etc/ssh/machinedb-principals/ann', `${header}\ndeploy\n`],
  ]);
  expect(byCertificate('ann', 'deploy')).toBe('ann');
  expect(byCertificate('ann', 'ann')).toBe(refused('ann'));
  expect(byCertificate('ann', 'foreign')).toBe(refused('ann'));
  expect(byCertificate('bob', 'deploy')).toBe(refused('bob'));
  // Without principals a certificate opens the users that it names.
  apply({ trusted_user_ca: { people: publicKey('ca') } });
  expect(byCertificate('ann', 'ann')).toBe('ann');
  expect(byCertificate('ann', 'deploy')).toBe(refused('ann'));
  apply({});
  expect(byCertificate('ann', 'ann')).toBe(refused('ann'));
  expect(existsSync(join(machine.root, '/etc/ssh/machinedb-user-ca.pub'))).toBe(false);
});

/** Types of the host keys that the running sshd offers. */
function offered(): string[] {
  const { stdout } = machine.client('ssh-keyscan', ['-T', '2', '-t', 'rsa,ecdsa,ed25519', '127.0.0.1']);
  const types = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return types.map((line) => line.split(' ')[1]!).sort();
}

/** Certifies the machine's host key, as the server does. */
function certify(): { certificate: string; ca: string } {
  writeFileSync(join(keys, 'host.pub'), readFileSync(join(machine.root, '/etc/ssh/ssh_host_ed25519_key.pub')));
  keygen('-h', '-s', 'host-ca', '-I', 'node1', '-n', 'node1', 'host.pub');
  const said = spawnSync('ssh-keygen', ['-l', '-f', 'host-ca.pub'], { cwd: keys, encoding: 'utf8' }).stdout;
  return { certificate: readFileSync(join(keys, 'host-cert.pub'), 'utf8'), ca: said.split(' ')[1]! };
}

const all = ['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-rsa'];

test('with a host certificate all host keys are still offered, and who knows the CA alone trusts the machine', () => {
  expect(offered()).toEqual(all);
  const { certificate, ca } = certify();
  apply({ host_certificate: true }, { [HOST_CERTIFICATE]: certificate }, ca);
  expect(readFileSync(join(machine.root, SETTINGS), 'utf8')).not.toContain('HostKey ');
  expect(offered()).toEqual(all);
  const known = join(keys, 'known_hosts');
  writeFileSync(known, `@cert-authority node1 ${publicKey('host-ca')}\n`);
  const trusting = ['StrictHostKeyChecking=yes', `UserKnownHostsFile=${known}`, 'HostKeyAlias=node1', 'LogLevel=ERROR'];
  const given = [...trusting, `IdentityFile=${keys}/user`, 'BatchMode=yes'].flatMap((option) => ['-o', option]);
  const client = () => machine.client('ssh', ['-F', '/dev/null', ...given, 'ann@127.0.0.1', 'id', '-un']);
  expect(client().stdout).toBe('ann\n');
  writeFileSync(known, `@cert-authority node1 ${publicKey('other-ca')}\n`);
  expect(client().stderr).toContain('Host key verification failed');
});

test('where others name host keys, they stay, and the certified one is named beside them', () => {
  machine.put('/etc/ssh/sshd_config.d/50-site.conf', 'HostKey /etc/ssh/ssh_host_rsa_key\n');
  const { certificate, ca } = certify();
  apply({ host_certificate: true }, { [HOST_CERTIFICATE]: certificate }, ca);
  expect(offered()).toEqual(['ssh-ed25519', 'ssh-rsa']);
});

test('98 what sshd refuses never reaches the files that the running one reads', () => {
  const { root, run } = machine;
  const check = (after: string) =>
    checkSsh(
      root,
      run,
      [{ section: 'ssh', path: SETTINGS, before: undefined, after, mode: 0o644 }],
      join(root, 'state/check-'),
    );
  expect(() => check(`${header}\nPermitRootLogin maybe\n`)).toThrow(
    `sshd -t -f /etc/ssh/sshd_config failed (255): ${SETTINGS} line 2: unsupported option "maybe".`,
  );
  machine.put('/etc/ssh/sshd_config.d/50-site.conf', 'Nonsense yes\n');
  expect(() => apply({})).toThrow(
    /\/etc\/ssh\/sshd_config.d\/50-site.conf: line 1: Bad configuration option: Nonsense/,
  );
  expect(existsSync(join(root, SETTINGS))).toBe(false);
  expect(machine.reloads()).toBe(0);
  expect(byKey('ann')).toBe('ann');
});

test('on a first boot there are no host keys yet: they are made before sshd is asked', () => {
  const { root } = machine;
  for (const type of ['rsa', 'ecdsa', 'ed25519']) rmSync(join(root, `/etc/ssh/ssh_host_${type}_key`));
  apply({});
  expect(offered()).toEqual(all);
});
