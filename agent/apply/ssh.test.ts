import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { differences } from '../../shared/diff.ts';
import type { SshWanted } from '../../shared/sections/ssh.ts';
import { observe } from '../sections/ssh.ts';
import { openSystem } from '../system.ts';
import { writeFile } from './files.ts';
import { planSsh } from './ssh.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH';
const fingerprint = 'SHA256:iIqNWmexzf7zhVR3stTdwjJUF5xXrg0r8q1ndZy1Vjs';
const material = { [fingerprint]: `${key} ann@laptop` };
const [BEGIN, END] = ['# machinedb-agent: keys between these lines are its', '# machinedb-agent: end'];
const ANN = '/home/ann/.ssh/authorized_keys';
const annsKey: SshWanted = { authorized_keys: { ann: { [fingerprint]: {} } } };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-ssh-'));
  put('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n');
  put('/etc/ssh/sshd_config', 'Include /etc/ssh/sshd_config.d/*.conf\n');
  mkdirSync(join(root, '/home/ann'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(join(root, dirname(path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** @returns the paths that changed */
function apply(wanted: SshWanted): string[] {
  const changes = planSsh(root, wanted, material);
  for (const { path, after, mode } of changes) writeFile(root, path, after, mode);
  expect(planSsh(root, wanted, material)).toEqual([]);
  expect(differences(wanted, observe(openSystem(root)) ?? {})).toEqual([]);
  return changes.map(({ path }) => path);
}

test('keys of a user other than root are written, and show', () => {
  apply(annsKey);
  expect(read(ANN)).toBe(`${BEGIN}\n${key} ann@laptop\n${END}\n`);
  expect(observe(openSystem(root))?.authorized_keys).toEqual({
    ann: { [fingerprint]: { type: 'ssh-ed25519', comment: 'ann@laptop' } },
  });
});

test('the last key of a user that is no longer wanted goes, and that shows', () => {
  apply({ authorized_keys: { root: { [fingerprint]: {} } } });
  apply({ authorized_keys: { root: {} } });
  expect(read('/root/.ssh/authorized_keys')).toBe(`${BEGIN}\n${END}\n`);
});

test('a user that is no longer wanted to have keys loses ours, and keeps its own', () => {
  put(ANN, '# mine\n\nssh-rsa AAAA home\n');
  apply(annsKey);
  expect(apply({ password_authentication: false })).toEqual(['/etc/ssh/sshd_config.d/00-machinedb.conf', ANN]);
  expect(read(ANN)).toBe('# mine\n\nssh-rsa AAAA home\n');
  expect(read('/etc/ssh/sshd_config.d/00-machinedb.conf')).not.toContain('ann');
});

test('a user that left the machine is not looked for', () => {
  apply(annsKey);
  put('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n');
  expect(apply({})).toEqual(['/etc/ssh/sshd_config.d/00-machinedb.conf']);
});

test('a user that is not there is named', () => {
  expect(() => planSsh(root, { authorized_keys: { bob: {} } }, {})).toThrow(
    'there is no user bob on this machine: add the user, or remove its keys',
  );
});

test('what others write above and below our lines stays as it is', () => {
  put(ANN, `above\n\n${BEGIN}\nold\n${END}\n\nbelow\n`);
  apply(annsKey);
  expect(read(ANN)).toBe(`above\n\n${BEGIN}\n${key} ann@laptop\n${END}\n\nbelow\n`);
});

test.each([
  ['its end', `above\n${BEGIN}\nold\nbelow\n`],
  ['its beginning', `above\nold\n${END}\nbelow\n`],
])('a block that lost %s is made anew, and nothing of others goes', (_, text) => {
  put(ANN, text);
  apply(annsKey);
  expect(read(ANN)).toBe(`above\nold\nbelow\n${BEGIN}\n${key} ann@laptop\n${END}\n`);
});

test('a host certificate is shown to those who ask', () => {
  const certificate = 'ssh-ed25519-cert-v01@openssh.com AAAA host\n\n';
  const wanted = { permit_root_login: 'no' as const, host_certificate: { ca: 'SHA256:ca', principals: {} } };
  expect(planSsh(root, wanted, { 'ssh-host-certificate': certificate })).toMatchObject([
    {
      path: '/etc/ssh/sshd_config.d/00-machinedb.conf',
      after: `# Written by machinedb-agent. Changes here are undone: change the intent, machinedb intent put.
PermitRootLogin no
HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub
`,
    },
    {
      path: '/etc/ssh/ssh_host_ed25519_key-cert.pub',
      after: 'ssh-ed25519-cert-v01@openssh.com AAAA host\n',
      mode: 0o644,
    },
  ]);
});
