import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { type Keys, openKeys } from './keys.ts';
import { makeNodeToken, readNodeToken } from './node-token.ts';
import { checkNonce, makeNonce } from './nonce.ts';
import { createKek, readKek, seal, unseal } from './seal.ts';

const { db } = await withDatabase();
const now = () => Date.UTC(2026, 0, 1);
const cleanUp: (() => void)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0)) step();
  await sql`truncate secret`.execute(db);
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'machinedb-keys-'));
  cleanUp.push(() => rmSync(path, { recursive: true }));
  return path;
}

async function open(file: string): Promise<Keys> {
  const keys = await openKeys(db, file, now);
  cleanUp.push(() => keys.close());
  return keys;
}

test('the first daemon makes a key-encryption key that only its user can read', async () => {
  const file = join(directory(), 'kek');
  await open(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/);
});

test('two daemons that start at once with one key agree on all keys', async () => {
  const [one, two] = [directory(), directory()].map((path) => join(path, 'kek')) as [string, string];
  createKek(one);
  copyFileSync(one, two);
  chmodSync(two, 0o600);
  const [a, b] = await Promise.all([open(one), open(two)]);
  expect(a.trust()).toEqual(b.trust());
  expect(b.isMac('x', 'text', a.mac('x', 'text'))).toBe(true);
  expect(b.isMac('y', 'text', a.mac('x', 'text'))).toBe(false);
});

test('of two daemons without the key exactly one makes it, and the other is told the way out', async () => {
  const files = [directory(), directory()].map((path) => join(path, 'kek'));
  const opened = await Promise.allSettled(files.map(open));
  expect(opened.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const index = opened.findIndex(({ status }) => status === 'rejected');
  const id = readKek(files[1 - index]!)!.id;
  expect((opened[index] as PromiseRejectedResult).reason.message).toBe(
    `there is no key-encryption key at ${files[index]}, but the database's secrets are sealed with key ${id}: copy the file "kek" from the state directory of the daemon that made the database (mode 0600), or name it with MACHINEDB_KEK_FILE`,
  );
});

test('a key-encryption key of another database is refused by name', async () => {
  const [right, wrong] = [directory(), directory()].map((path) => join(path, 'kek')) as [string, string];
  await open(right);
  createKek(wrong);
  await expect(open(wrong)).rejects.toThrow(
    `the key-encryption key in ${wrong} is ${readKek(wrong)!.id}, but the database's secrets are sealed with key ${readKek(right)!.id}: put the file "kek" of the daemon that made the database there, or name it with MACHINEDB_KEK_FILE`,
  );
});

test('a key file that is open to all, or is none, is refused', () => {
  const file = join(directory(), 'kek');
  createKek(file);
  chmodSync(file, 0o644);
  expect(() => readKek(file)).toThrow(
    `the key-encryption key in ${file} can be read by everybody: close it with "chmod 600 ${file}"`,
  );
  writeFileSync(file, 'hello');
  chmodSync(file, 0o600);
  expect(() => readKek(file)).toThrow(
    `the key-encryption key in ${file} is not 64 hexadecimal digits: put the right file there`,
  );
});

test('a sealed value opens only with its key, its name and its bytes', () => {
  const kek = createKek(join(directory(), 'kek'));
  const sealed = seal(kek, Buffer.from('canary'), 'a/1');
  expect(unseal(kek, sealed, 'a/1').toString()).toBe('canary');
  expect(() => unseal(kek, sealed, 'a/2')).toThrow();
  expect(() => unseal(createKek(join(directory(), 'kek')), sealed, 'a/1')).toThrow();
});

test('114: no private key stands in the database in the clear', async () => {
  const keys = await open(join(directory(), 'kek'));
  const { rows } = await sql<{ text: string }>`select secret::text as text from secret`.execute(db);
  const stored = rows.map(({ text }) => text).join('\n');
  expect(stored).toContain(keys.authorities()[0]!.pin);
  expect(stored).not.toContain(keys.authorities()[0]!.key.toString('hex'));
  expect(stored).not.toContain(keys.kek.key.toString('hex'));
});

test('a wanted state is signed by a key that the trust names', async () => {
  const keys = await open(join(directory(), 'kek'));
  const { signature, key } = keys.signWanted('{"a":1}');
  const spki = keys.trust().wanted_keys.find(({ id }) => id === key)!.public_key;
  const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  expect(verify(null, Buffer.from('{"a":1}'), publicKey, Buffer.from(signature, 'base64'))).toBe(true);
});

test('a rotation on one daemon reaches the other within two seconds; two generations stay valid', async () => {
  const file = join(directory(), 'kek');
  const a = await open(file);
  const b = await open(file);
  let rotations = 0;
  b.onRotation(() => rotations++);
  const first = a.trust().pins[0]!;
  const token = makeNodeToken(a, { node: 'n', fingerprint: 'f', expiresAt: now() + 1000 });
  await transaction(db, (tx) => a.rotate(tx));
  await a.refresh();
  const second = a.trust().pins[0]!;
  expect(a.trust().pins).toEqual([second, first]);
  await expect.poll(() => b.trust().pins, { timeout: 2000 }).toEqual([second, first]);
  expect(rotations).toBe(1);
  expect(readNodeToken(b, token, now())).toMatchObject({ node: 'n' });

  await transaction(db, (tx) => b.rotate(tx));
  await Promise.all([a.refresh(), b.refresh()]);
  expect(a.trust().pins).toEqual([expect.any(String), second]);
  expect(readNodeToken(a, token, now())).toBeUndefined();
});

test('a token by a new key is good on a daemon that has not read it yet', async () => {
  const file = join(directory(), 'kek');
  const a = await open(file);
  const b = await open(file);
  await transaction(db, (tx) => a.rotate(tx));
  await a.refresh();
  expect(b.isMac('x', 'text', a.mac('x', 'text'))).toBe(true);
});

test('two rotations at once make two generations, one after the other', async () => {
  const keys = await open(join(directory(), 'kek'));
  await Promise.all([1, 2].map(() => transaction(db, (tx) => keys.rotate(tx))));
  await keys.refresh();
  expect(keys.authorities().map(({ generation }) => generation)).toEqual([3, 2]);
});

test('60: a nonce of one daemon is good on the other, and only while it lives', async () => {
  const file = join(directory(), 'kek');
  const a = await open(file);
  const b = await open(file);
  const nonce = makeNonce(a, now());
  checkNonce(b, nonce, now() + 299_000, 300_000);
  const expired = 'the nonce has expired: get a new one from POST /v1/nonce';
  expect(() => checkNonce(b, nonce, now() + 301_000, 300_000)).toThrow(expired);
  expect(() => checkNonce(b, `x${nonce}`, now(), 300_000)).toThrow(
    'the nonce was not made here: get one from POST /v1/nonce',
  );
});
