import { createPublicKey, verify } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeAssertion, makeClaim, openIdentity, rememberNode, signText } from './identity.ts';

const hardware = { uuid: 'A', serial: 'S', macs: ['b0:7b:25:00:00:01', 'b0:7b:25:00:00:02'] };
const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'machinedb-identity-'));
  made.push(path);
  return join(path, 'agent');
}

test('a machine makes its key once, and only its user can read it', () => {
  const path = directory();
  const first = openIdentity(path, hardware);
  expect(first).toMatchObject({ node: undefined, dropped: false });
  expect(first.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, 'identity.json')).mode & 0o777).toBe(0o600);
  rememberNode(path, 'n1');
  expect(openIdentity(path, hardware)).toMatchObject({ fingerprint: first.fingerprint, node: 'n1', dropped: false });
  expect(existsSync(join(path, 'identity.json.new'))).toBe(false);
});

test('68: a copy of the disk in another machine drops the key; a replaced part does not', () => {
  const path = directory();
  const first = openIdentity(path, hardware);
  rememberNode(path, 'n1');
  const repaired = { uuid: 'B', serial: 'S', macs: ['b0:7b:25:00:00:03'] };
  expect(openIdentity(path, repaired).fingerprint).toBe(first.fingerprint);
  expect(openIdentity(path, {}).fingerprint).toBe(first.fingerprint);
  const clone = openIdentity(path, { uuid: 'C', serial: 'T', macs: ['b0:7b:25:00:00:04'] });
  expect(clone).toMatchObject({ node: undefined, dropped: true, before: 'n1' });
  // It says so until it is enrolled, however often it starts.
  expect(openIdentity(path, { uuid: 'C' })).toMatchObject({ fingerprint: clone.fingerprint, before: 'n1' });
  expect(clone.fingerprint).not.toBe(first.fingerprint);
});

test('a file that is no identity is named, and never overwritten', () => {
  const path = directory();
  openIdentity(path, hardware);
  const file = join(path, 'identity.json');
  writeFileSync(file, '{"key":');
  expect(() => openIdentity(path, hardware)).toThrow(
    `${file} holds no identity: remove it, and this machine enrols anew and must be approved again`,
  );
  expect(readFileSync(file, 'utf8')).toBe('{"key":');
});

test('an assertion names the node, the service, the nonce and the key, and no time', () => {
  const identity = openIdentity(directory(), hardware);
  const [header, claims, signature] = makeAssertion(identity, 'n1', 'N').split('.') as [string, string, string];
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown;
  expect(decode(header)).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: identity.fingerprint });
  expect(decode(claims)).toEqual({ iss: 'n1', sub: 'n1', aud: 'machinedb', nonce: 'N' });
  const key = createPublicKey({ key: identity.publicKey, format: 'der', type: 'spki' });
  expect(verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(verify(null, Buffer.from('report'), key, Buffer.from(signText(identity, 'report'), 'base64'))).toBe(true);
});

test('the private key is in no claim', () => {
  const path = directory();
  const claim = makeClaim(openIdentity(path, hardware), { nonce: 'N', hardware, bootId: 'b' });
  expect(Object.keys(claim).sort()).toEqual([
    'boot_id',
    'hardware',
    'join_token',
    'kind',
    'nonce',
    'public_key',
    'signature',
  ]);
  const { key } = JSON.parse(readFileSync(join(path, 'identity.json'), 'utf8')) as { key: string };
  expect(JSON.stringify(claim)).not.toContain(key.split('\n')[1]);
});
