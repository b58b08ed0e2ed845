import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Facts } from '../facts.ts';
import { listOwned, releaseFiles } from '../local.ts';
import { recorder } from '../testing/recorder.ts';
import { applyWanted } from './apply.ts';
import type { Wanted } from './sections.ts';

let root: string;
let state: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machinedb-owned-'));
  state = mkdtempSync(join(tmpdir(), 'machinedb-owned-state-'));
  put('etc/hostname', 'localhost\n');
  put('etc/hosts', '127.0.0.1\tlocalhost\n');
  put('etc/passwd', 'root:x:0:0:root:/root:/bin/bash\n');
  put('root/.ssh/authorized_keys', 'ssh-rsa AAAA somebody\n');
  put('proc/sys/kernel/hostname', 'localhost\n');
});
afterEach(() => {
  for (const folder of [root, state]) rmSync(folder, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const get = (path: string) => readFileSync(join(root, path), 'utf8');

const wanted: Wanted = {
  hostname: { hostname: 'web1' },
  ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': {} } } },
  material: { 'SHA256:k': 'ssh-ed25519 AAAA ann' },
};

function apply(what: Wanted, generation: number) {
  return applyWanted({
    ...{ root, state, wanted: what, generation, mode: 'enforce' as const, deadlineMs: 1000, host: '192.0.2.1' },
    run: recorder().run,
    observe: () => ({ sections: what, errors: {} }) as unknown as Facts,
    probe: async () => undefined,
    clock: () => 0,
    sleep: async () => undefined,
  });
}

test("what is the agent's is listed; released, it stays in force without marks, and is not written any more", async () => {
  await apply(wanted, 1);
  expect(listOwned({ state })).toBe(
    `hostname  /etc/hostname
hostname  /etc/hosts
ssh       /etc/ssh/sshd_config.d/00-machinedb.conf
ssh       /root/.ssh/authorized_keys`,
  );
  expect(releaseFiles({ root, state }, ['ssh'], false)).toBe(
    `/etc/ssh/sshd_config.d/00-machinedb.conf is yours
/root/.ssh/authorized_keys is yours
applied no more: ssh`,
  );
  expect(get('etc/ssh/sshd_config.d/00-machinedb.conf')).toBe('PasswordAuthentication no\n');
  expect(get('root/.ssh/authorized_keys')).toBe('ssh-rsa AAAA somebody\nssh-ed25519 AAAA ann\n');
  expect(listOwned({ state })).toBe(
    `hostname  /etc/hostname
hostname  /etc/hosts
ssh       released: applied no more`,
  );
  expect(await apply({ ...wanted, ssh: { password_authentication: true } }, 2)).toEqual({ outcome: 'same', steps: [] });
  releaseFiles({ root, state }, ['ssh'], true);
  expect(await apply({ ...wanted, ssh: { password_authentication: true } }, 3)).toMatchObject({ outcome: 'applied' });
  expect(get('etc/ssh/sshd_config.d/00-machinedb.conf')).toContain('PasswordAuthentication yes\n');
});

test('a section that does not exist is named', () => {
  expect(() => releaseFiles({ root, state }, ['sshd'], false)).toThrow(
    'there is no section "sshd" to release: there are hostname, time, repos, ssh, network, bgp',
  );
});
