import { generateKeyPairSync } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { authenticate, stillValid } from '../http/auth.ts';
import { approve } from '../trust/approve.ts';
import { exchangeAssertion } from '../trust/assertion.ts';
import { revoke } from '../trust/revoke.ts';
import { assertionOf, claimOf, machine, unique, withTrust } from '../trust/testing/machine.ts';
import { enrol } from './enrol.ts';

const trust = await withTrust({ MACHINEDB_PENDING_PER_SOURCE: '5' });
const { context, db, keys, clock } = trust;

async function approved(hardware = unique(), from = '192.0.2.9') {
  const subject = machine(hardware);
  const { node } = await trust.enrol(subject, {}, from);
  await accept(node, subject.fingerprint);
  return { subject, node };
}

async function accept(node: string, fingerprint: string): Promise<void> {
  await transaction(db, (tx) => approve(tx, keys, { node, fingerprint, actor: 'ann', reason: 'seen on its console' }));
}

const nodeOf = (id: string) => db.selectFrom('node').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const keyOf = (fingerprint: string) =>
  db.selectFrom('node_key').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirstOrThrow();

test('a machine claims, waits, is approved by its fingerprint and gets a token', async () => {
  for (const kind of ['ed25519', 'p256'] as const) {
    const subject = machine(unique(), kind);
    const claimed = await trust.enrol(subject, {}, `198.51.100.${kind.length}`);
    expect(claimed).toEqual({
      node: claimed.node,
      fingerprint: subject.fingerprint,
      state: 'discovered',
      status: 'pending',
    });
    const caller = await authenticate(context, await trust.login(subject, claimed.node));
    expect(caller).toMatchObject({ kind: 'node', node: claimed.node, level: 'claimed' });
    await accept(claimed.node, subject.fingerprint);
    expect(await stillValid(context, caller)).toBe(false);
    expect(await trust.enrol(subject)).toMatchObject({ node: claimed.node, state: 'approved', status: 'approved' });
    expect(await authenticate(context, await trust.login(subject, claimed.node))).toMatchObject({ level: 'approved' });
    expect(await trust.events(claimed.node)).toEqual(['node.enrolled', 'node.approved', 'node.state']);
  }
});

test('an approval with another fingerprint is refused and names the one that waits', async () => {
  const subject = machine();
  const { node } = await trust.enrol(subject, {}, '198.51.100.20');
  await expect(accept(node, 'SHA256:other')).rejects.toThrow(
    `the key that waits for approval on node ${node} is ${subject.fingerprint}, not SHA256:other: compare with the node's console`,
  );
  await accept(node, subject.fingerprint);
  await expect(accept(node, subject.fingerprint)).rejects.toThrow(`node ${node} has no key that waits for approval`);
});

test('57: a nonce replayed with the same key gets the same answer', async () => {
  const subject = machine();
  const claim = claimOf(subject, { nonce: trust.nonce() });
  const first = await enrol(context, claim, '198.51.100.30');
  expect(await enrol(context, claim, '198.51.100.30')).toEqual(first);
  expect(await trust.events(first.node)).toEqual(['node.enrolled']);
});

test('58: a nonce replayed with another key freezes the node and alerts', async () => {
  const nonce = trust.nonce();
  const { node } = await trust.enrol(machine(), { nonce }, '198.51.100.31');
  await expect(trust.enrol(machine(), { nonce }, '198.51.100.32')).rejects.toMatchObject({
    code: 'conflict',
    message: 'the nonce was used by another key: get a new one from POST /v1/nonce',
  });
  expect(await nodeOf(node)).toMatchObject({
    locked_reason: 'two keys claimed with one nonce: somebody else may have seen it',
  });
  expect(await trust.events(node)).toEqual(['node.enrolled', 'alarm.locked']);
});

test('59: of parallel claims of one machine exactly one wins', async () => {
  const hardware = unique();
  const machines = Array.from({ length: 8 }, () => machine(hardware));
  const answers = await Promise.all(machines.map((each) => trust.enrol(each, {}, '198.51.100.33')));
  const nodes = new Set(answers.map(({ node }) => node));
  expect(nodes.size).toBe(1);
  const current = await db
    .selectFrom('node_key')
    .select('fingerprint')
    .where('node', '=', answers[0]!.node)
    .where('status', '=', 'current')
    .execute();
  expect(current).toHaveLength(1);
});

test('59: parallel claims by one key, of a machine that nothing identifies, make one node', async () => {
  const subject = machine({});
  const answers = await Promise.all(Array.from({ length: 4 }, () => trust.enrol(subject, {}, '198.51.100.34')));
  expect(new Set(answers.map(({ node }) => node)).size).toBe(1);
});

test('60: an expired nonce is refused, 401', async () => {
  const nonce = trust.nonce();
  clock.now += 301_000;
  const expired = { code: 'unauthenticated', message: 'the nonce has expired: get a new one from POST /v1/nonce' };
  await expect(trust.enrol(machine(), { nonce })).rejects.toMatchObject(expired);
  const { subject, node } = await approved();
  await expect(exchangeAssertion(context, assertionOf(subject, node, nonce))).rejects.toMatchObject(expired);
});

test('64: a claim that names another node without its key is refused', async () => {
  const { node } = await approved();
  const thief = machine();
  await expect(trust.enrol(thief, { previous: { node, by: thief } })).rejects.toMatchObject({
    code: 'forbidden',
    message: 'the signature by the previous key does not prove the node it names: claim without "previous"',
  });
  const { node: own, subject } = await approved();
  const refused = { code: 'unauthenticated', message: 'the assertion is not by a key of this node: enrol first' };
  await expect(exchangeAssertion(context, assertionOf(subject, node, trust.nonce()))).rejects.toMatchObject(refused);
  await expect(
    exchangeAssertion(context, assertionOf(subject, own, trust.nonce(), { iss: node })),
  ).rejects.toMatchObject({ code: 'invalid' });
});

test('64: a claim altered on its way is refused', async () => {
  const claim = claimOf(machine(), { nonce: trust.nonce() });
  await expect(enrol(context, { ...claim, hardware: { serial: 'another' } }, '192.0.2.1')).rejects.toMatchObject({
    code: 'unauthenticated',
    message: 'the signature is not by public_key over this claim',
  });
});

test('65: weak keys are refused', async () => {
  const claim = claimOf(machine(), { nonce: trust.nonce() });
  const withKey = (spki: Buffer) => enrol(context, { ...claim, public_key: spki.toString('base64') }, '192.0.2.1');
  const ecdsa = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
  for (const { publicKey } of [ecdsa, rsa]) {
    await expect(withKey(publicKey.export({ type: 'spki', format: 'der' }))).rejects.toThrow(
      'public_key is not a key of kind ed25519: use ed25519, or P-256 from a TPM',
    );
  }
  const smallOrder = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.alloc(32)]);
  await expect(withKey(smallOrder)).rejects.toThrow(
    'public_key is a point of small order, for which anybody can sign: make a new key',
  );
});

test('66: garbage instead of keys, signatures and tokens is refused, 400 or 401', async () => {
  const claim = claimOf(machine(), { nonce: trust.nonce() });
  const invalid = { code: 'invalid', message: 'public_key is not a SubjectPublicKeyInfo in DER, base64' };
  for (const garbage of ['AAAA', '', Buffer.alloc(300, 0x30).toString('base64')]) {
    await expect(enrol(context, { ...claim, public_key: garbage }, '192.0.2.1')).rejects.toMatchObject(invalid);
  }
  const trailing = Buffer.concat([Buffer.from(claim.public_key, 'base64'), Buffer.from([0])]).toString('base64');
  await expect(enrol(context, { ...claim, public_key: trailing }, '192.0.2.1')).rejects.toMatchObject({
    code: 'invalid',
  });
  await expect(enrol(context, { ...claim, signature: 'AA==' }, '192.0.2.1')).rejects.toMatchObject({
    code: 'unauthenticated',
  });
  for (const garbage of ['', 'a.b.c', '..', 'e30.e30.AA', 'bnVsbA.bnVsbA.AA']) {
    await expect(exchangeAssertion(context, garbage)).rejects.toMatchObject({ code: 'invalid' });
  }
  for (const garbage of ['Bearer x', 'Bearer mdb_x', 'Bearer mdbn_x.y', 'Bearer mdbn_', 'Basic x', undefined]) {
    await expect(authenticate(context, garbage)).rejects.toMatchObject({ code: 'unauthenticated' });
  }
});

test('67: one source has a bounded number of waiting machines; others still enrol, and it, once approved', async () => {
  const from = '2001:db8::1';
  const first = machine();
  const { node } = await trust.enrol(first, {}, from);
  for (let i = 0; i < 4; i++) await trust.enrol(machine(), {}, `2001:db8::${i + 2}`);
  await expect(trust.enrol(machine(), {}, from)).rejects.toMatchObject({
    code: 'too_many',
    retryAfter: 60,
    message: '5 machines from 2001:db8:0:0::/64 wait for approval: approve or revoke some first',
  });
  expect(await trust.enrol(machine(), {}, '2001:db8:0:1::1')).toMatchObject({ status: 'pending' });
  expect(await trust.enrol(first, {}, from)).toMatchObject({ node });
  await accept(node, first.fingerprint);
  expect(await trust.enrol(machine(), {}, from)).toMatchObject({ status: 'pending' });
});

test('68: a key that comes from other hardware, a cloned disk, locks its node', async () => {
  const { subject, node } = await approved();
  await trust.enrol({ ...subject, hardware: unique() });
  expect(await nodeOf(node)).toMatchObject({
    locked_reason: 'its key came from other hardware: its disk was copied or moved',
  });
  await accept(node, subject.fingerprint);
  expect((await nodeOf(node)).locked_at).toBeNull();
});

test('69: a key that was replaced speaks again: the node is locked', async () => {
  const { subject, node } = await approved();
  const next = machine(subject.hardware);
  expect(await trust.enrol(next, { previous: { node, by: subject } })).toMatchObject({ node, status: 'approved' });
  await expect(trust.enrol(subject)).rejects.toMatchObject({
    code: 'locked',
    message: 'this key was replaced by another: the node is locked until a person decides',
  });
  expect(await nodeOf(node)).toMatchObject({
    locked_reason: `its former key ${subject.fingerprint} was used again: an old copy of it is alive`,
  });
  expect(await trust.events(node)).toContain('alarm.locked');
});

test('70: a revoked machine is refused with its old key and with a new one, on record', async () => {
  const { subject, node } = await approved();
  const header = await trust.login(subject, node);
  const caller = await authenticate(context, header);
  await transaction(db, (tx) => revoke(tx, node, 'ann', 'stolen'));
  await expect(authenticate(context, header)).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(await stillValid(context, caller)).toBe(false);
  const refused = { code: 'forbidden', message: 'this machine was revoked: an operator can approve it again' };
  await expect(trust.enrol(subject)).rejects.toMatchObject(refused);
  await expect(trust.enrol(machine(subject.hardware))).rejects.toMatchObject(refused);
  await expect(trust.login(subject, node)).rejects.toMatchObject({ code: 'unauthenticated' });
  expect((await trust.events(node)).filter((kind) => kind === 'enrol.refused')).toHaveLength(1);
  await accept(node, subject.fingerprint);
  expect(await trust.enrol(subject)).toMatchObject({ node, status: 'approved' });
});

test('71: an answer lost on its way is given again to a retry with a new nonce', async () => {
  const subject = machine();
  const first = await trust.enrol(subject, {}, '198.51.100.40');
  expect(await trust.enrol(subject, {}, '198.51.100.40')).toEqual(first);
  await accept(first.node, subject.fingerprint);
  const next = machine(subject.hardware);
  const previous = { node: first.node, by: subject };
  const rekeyed = await trust.enrol(next, { previous });
  expect(await trust.enrol(next, { previous })).toEqual(rekeyed);
});

test('an unapproved machine that claims again replaces its older key', async () => {
  const older = machine();
  const newer = machine(older.hardware);
  const { node } = await trust.enrol(older, {}, '198.51.100.41');
  expect(await trust.enrol(newer, {}, '198.51.100.41')).toMatchObject({ node, status: 'pending' });
  expect(await keyOf(older.fingerprint)).toMatchObject({ status: 'retired' });
  await expect(trust.login(older, node)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('an approved machine with a new key waits; the running node goes on, and its key decides nothing', async () => {
  const { subject, node } = await approved();
  const newer = machine(subject.hardware);
  expect(await trust.enrol(newer)).toEqual({
    node,
    fingerprint: newer.fingerprint,
    state: 'discovered',
    status: 'rekey',
  });
  await expect(trust.login(newer, node)).rejects.toMatchObject({
    code: 'forbidden',
    message: `the key ${newer.fingerprint} waits for approval: an operator must approve it`,
  });
  expect(await authenticate(context, await trust.login(subject, node))).toMatchObject({ level: 'approved' });
  expect(await trust.events(node)).toContain('alarm.rekey');
  await accept(node, newer.fingerprint);
  expect(await authenticate(context, await trust.login(newer, node))).toMatchObject({ level: 'approved' });
  await expect(trust.login(subject, node)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a locked node cannot vouch for a new key', async () => {
  const { subject, node } = await approved();
  await sql`update node set locked_at = now(), locked_reason = 'test' where id = ${node}`.execute(db);
  const next = machine(subject.hardware);
  await expect(trust.enrol(next, { previous: { node, by: subject } })).rejects.toMatchObject({ code: 'forbidden' });
});

test('106, 107: a claim with the identifiers of a known machine learns its name for it, and no more', async () => {
  const { subject, node } = await approved();
  const stranger = await trust.enrol(machine({ macs: subject.hardware.macs! }));
  expect(Object.keys(stranger).sort()).toEqual(['fingerprint', 'node', 'state', 'status']);
  expect(stranger).toMatchObject({ node, state: 'discovered', status: 'rekey' });
});

test('within an install that was asked for, the machine comes with a new key at every boot; after it a person decides', async () => {
  const hardware = unique();
  const { subject, node } = await approved(hardware);
  const set = (values: { reinstall?: number; installed?: number }) =>
    db.updateTable('node').set(values).where('id', '=', node).execute();
  await set({ reinstall: 1 });
  const inMemory = machine(hardware);
  expect(await trust.enrol(inMemory)).toMatchObject({ node, status: 'approved' });
  expect(await keyOf(subject.fingerprint)).toMatchObject({ status: 'retired' });
  await set({ installed: 1 });
  expect(await trust.enrol(machine(hardware))).toMatchObject({ node, status: 'rekey' });
  expect(await keyOf(inMemory.fingerprint)).toMatchObject({ status: 'current' });
});
