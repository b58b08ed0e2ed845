import { expect, test } from 'vitest';
import { ssh } from '../../shared/sections/ssh.ts';
import { openSystem } from '../system.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './ssh.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNmVIrwpr6DoRFp87p6iNDxXds4Fnmyx5GvY9RaGxSH';
const fingerprint = 'SHA256:iIqNWmexzf7zhVR3stTdwjJUF5xXrg0r8q1ndZy1Vjs';

test('host keys by fingerprint, and the defaults of a file that sets nothing', () => {
  const found = observeTree({
    '/etc/ssh/ssh_host_ed25519_key.pub': `${key} root@node1\n`,
    '/etc/ssh/ssh_host_rsa_key.pub': 'not a key\n',
    '/etc/ssh/sshd_config': '# all defaults\n',
  });
  expect(found).toEqual({
    host_keys: { [fingerprint]: { type: 'ssh-ed25519' } },
    password_authentication: true,
    pubkey_authentication: true,
    permit_root_login: 'prohibit-password',
    kbd_interactive_authentication: true,
    x11_forwarding: false,
    max_auth_tries: 6,
    login_grace_time_s: 120,
    ports: { '22': true },
  });
  expect(ssh.observed.parse(found)).toEqual(found);
});

test('the first value wins, and Include stands where it is written', () => {
  const found = observeTree({
    '/etc/ssh/sshd_config': [
      'Port 2222',
      'Include /etc/ssh/sshd_config.d/*.conf',
      'PasswordAuthentication yes',
      'PermitRootLogin without-password # as before 7.0',
      'Port 22',
    ].join('\n'),
    '/etc/ssh/sshd_config.d/50-cloud.conf': 'passwordauthentication=no\n',
    '/etc/ssh/sshd_config.d/60-later.conf': 'PasswordAuthentication yes\n',
    '/etc/ssh/sshd_config.d/README': 'PubkeyAuthentication no\n',
    '/etc/ssh/sshd_config.d/.hidden.conf': 'PubkeyAuthentication no\n',
  });
  expect(found).toEqual({
    password_authentication: false,
    pubkey_authentication: true,
    permit_root_login: 'prohibit-password',
    kbd_interactive_authentication: true,
    x11_forwarding: false,
    max_auth_tries: 6,
    login_grace_time_s: 120,
    ports: { '22': true, '2222': true },
  });
});

test('Match blocks say nothing about everyone; Match all does', () => {
  const found = observeTree({
    '/etc/ssh/sshd_config': [
      'Include extra.conf',
      'Match User git',
      '  PasswordAuthentication no',
      'Match all',
      'PermitRootLogin "no"',
    ].join('\n'),
    '/etc/ssh/extra.conf': 'Match Address 10.0.0.0/8\nPermitRootLogin yes\n',
  });
  expect(found).toMatchObject({ password_authentication: true, permit_root_login: 'no' });
});

test('an Include of itself ends', () => {
  const found = observeTree({ '/etc/ssh/sshd_config': 'Include /etc/ssh/sshd_config\nPermitRootLogin no\n' });
  expect(found).toMatchObject({ permit_root_login: 'no' });
});

test("root's keys, with options before them or not", () => {
  const found = observeTree({
    '/root/.ssh/authorized_keys': [
      '# admins',
      `from="10.0.0.0/8",command="echo \\"hi there\\"" ${key} anna@laptop`,
      'no key at all',
      '',
    ].join('\n'),
  });
  expect(found).toEqual({
    authorized_keys: { root: { [fingerprint]: { type: 'ssh-ed25519', comment: 'anna@laptop' } } },
  });
});

test('a machine without an SSH server has no such section', () => {
  expect(observeTree({ '/etc/ssh/ssh_config': 'Host *\n' })).toBeUndefined();
});

test("keys of users that the agent keeps keys for; one's pipe or link hides nothing of the others", () => {
  const found = observeTree({
    '/etc/passwd':
      'ann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\neve:x:1002:1002::/home/eve:/bin/sh\n',
    '/etc/ssh/sshd_config.d/00-machinedb.conf': '# ours\n# Keys are kept for: ann bob gone root\n',
    '/home/ann/.ssh/authorized_keys': `${key}\n`,
    '/home/bob/.ssh/authorized_keys/folder': '',
    '/home/eve/.ssh/authorized_keys': `${key}\n`,
  });
  expect(found).toEqual({
    authorized_keys: { root: {}, ann: { [fingerprint]: { type: 'ssh-ed25519' } }, bob: {} },
  });
});

test('what hardens it, and a CA of users with their principals', () => {
  const found = observeTree({
    '/etc/ssh/sshd_config': [
      'ChallengeResponseAuthentication no',
      'X11Forwarding yes',
      'MaxAuthTries 3',
      'LoginGraceTime 1m30s',
      'TrustedUserCAKeys /etc/ssh/ca.pub',
      'AuthorizedPrincipalsFile /etc/ssh/principals/%u',
    ].join('\n'),
    '/etc/ssh/ca.pub': `# people\n${key} people@example\n`,
    '/etc/ssh/principals/ann': '# hers\ndeploy\nfrom="10.0.0.0/8" admin\n',
    '/etc/ssh/principals/bob': '',
  });
  expect(found).toMatchObject({
    kbd_interactive_authentication: false,
    x11_forwarding: true,
    max_auth_tries: 3,
    login_grace_time_s: 90,
    trusted_user_ca: { [fingerprint]: { type: 'ssh-ed25519', comment: 'people@example' } },
    principals: { ann: { deploy: true, admin: true } },
  });
  expect(ssh.observed.parse(found)).toEqual(found);
});
