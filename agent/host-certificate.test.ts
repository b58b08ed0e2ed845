import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { ed25519Blob, fingerprintOfBlob, readEd25519, writeHostCertificate } from '../shared/ssh-certificate.ts';
import type { Wanted } from './apply/sections.ts';
import { HOST_CERTIFICATE, planSsh } from './apply/ssh.ts';
import { withHostCertificate } from './host-certificate.ts';
import { makeTree } from './testing/tree.ts';

const DAY_S = 86_400;
const BEGIN_S = 1_800_000_000;
const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';

const caKey = generateKeyPairSync('ed25519');
const ca = {
  publicKey: caKey.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32),
  sign: (data: Buffer) => sign(null, data, caKey.privateKey),
};
const wanted = (names: string[], by = fingerprintOfBlob(ed25519Blob(ca.publicKey))): Wanted => ({
  ssh: { host_certificate: { ca: by, principals: Object.fromEntries(names.map((name) => [name, true as const])) } },
});

let root: string;
let asked: string[];
beforeEach(() => {
  root = makeTree({ '/etc/ssh/sshd_config': '' });
  spawnSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', join(root, '/etc/ssh/ssh_host_ed25519_key')]);
  asked = [];
});

/** A certificate for these names that is good for 100 days from its time on, as the server gives one. */
function certificate(hostKey: string, names: string[], from: number): string {
  const publicKey = readEd25519(hostKey)!;
  const valid = { validAfter: from, validBefore: from + 100 * DAY_S };
  return writeHostCertificate(
    { publicKey, serial: 1n, keyId: 'node/1', principals: names, ...valid },
    randomBytes(32),
    ca,
  );
}

/** Looks at the certificate on a day, and writes the one that is then wanted. */
async function onDay(day: number, names: string[], { mode = 'enforce', by }: { mode?: string; by?: string } = {}) {
  const now = BEGIN_S + day * DAY_S;
  const full = await withHostCertificate(wanted(names, by), {
    ...{ root, mode, now: now * 1000 },
    async certify(hostKey) {
      asked.push(`day ${day}`);
      return certificate(hostKey, names, now);
    },
  });
  const changes = planSsh(root, full.ssh!, full.material ?? {}).filter(({ path }) => path === CERTIFICATE);
  for (const { path, after } of changes) writeFileSync(join(root, path), after!);
  return { changed: changes.length > 0, certificate: full.material?.[HOST_CERTIFICATE]?.trim() };
}

const lifeOf = () => spawnSync('ssh-keygen', ['-L', '-f', join(root, CERTIFICATE)], { encoding: 'utf8' }).stdout;

test('a certificate is asked for once, and again before half of its life is over', async () => {
  expect(await onDay(0, ['n1'])).toMatchObject({ changed: true });
  const first = lifeOf();
  for (const day of [1, 25, 49]) expect(await onDay(day, ['n1'])).toMatchObject({ changed: false });
  expect(lifeOf()).toBe(first);
  expect(asked).toEqual(['day 0']);
  expect(await onDay(50, ['n1'])).toMatchObject({ changed: true });
  for (const day of [51, 99]) expect(await onDay(day, ['n1'])).toMatchObject({ changed: false });
  expect(await onDay(100, ['n1'])).toMatchObject({ changed: true });
  expect(asked).toEqual(['day 0', 'day 50', 'day 100']);
  expect(lifeOf()).not.toBe(first);
  expect(lifeOf()).toMatch(/Valid: from 2027-04-25T.* to 2027-08-03T/);
});

test('other names and another CA need another certificate at once', async () => {
  await onDay(0, ['n1']);
  expect(await onDay(1, ['n1', '10.1.0.5'])).toMatchObject({ changed: true });
  await onDay(2, ['n1', '10.1.0.5'], { by: 'SHA256:other' });
  expect(asked).toEqual(['day 0', 'day 1', 'day 2']);
});

test('who only plans asks for none, and is not without the one that is there', async () => {
  expect(await onDay(0, ['n1'], { mode: 'plan' })).toEqual({ changed: false, certificate: undefined });
  await onDay(0, ['n1']);
  const there = readFileSync(join(root, CERTIFICATE), 'utf8').trim();
  expect(await onDay(70, ['n1'], { mode: 'plan' })).toEqual({ changed: false, certificate: there });
  expect(asked).toEqual(['day 0']);
});
