import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type OperatorScope, operatorScopes } from '../../shared/api/row.ts';
import { transaction } from '../db.ts';
import { createOperatorToken, ensureOperatorToken } from '../trust/operator-token.ts';
import { machine, withTrust } from '../trust/testing/machine.ts';
import { authenticate, authorize, stillValid } from './auth.ts';

const trust = await withTrust();
const { context, db, clock, directory } = trust;
const refused = 'no valid token: send "Authorization: Bearer TOKEN"; operators make one with machinedb token create';

async function make(scopes: OperatorScope[], expiresAt?: Date): Promise<string> {
  const made = await transaction(db, (tx) =>
    createOperatorToken(tx, { name: 'ann', scopes, createdBy: 'test', expiresAt }),
  );
  return made.token;
}

test('an operator token is known by its hash only, and allows its scopes', async () => {
  const token = await make(['read']);
  expect(token).toMatch(/^mdb_[A-Za-z0-9_-]{43}$/);
  const { rows } = await sql<{ text: string }>`
    select token::text as text from token union all select event::text from event`.execute(db);
  expect(rows.map(({ text }) => text).join()).not.toContain(token.slice(4));
  const caller = await authenticate(context, `Bearer ${token}`);
  expect(caller).toMatchObject({ kind: 'operator', name: 'ann', scopes: ['read'] });
  authorize(caller, 'read');
  expect(() => authorize(caller, 'approve')).toThrow('this needs scope approve, and the token "ann" has scope read');
  expect(() => authorize(caller, 'node:claimed')).toThrow(
    'this needs scope node:claimed, and the token "ann" has scope read',
  );
});

test('a token that has expired or was revoked is refused, also on a connection that is open', async () => {
  const brief = await make(['read'], new Date(clock.now + 60_000));
  const caller = await authenticate(context, `Bearer ${brief}`);
  clock.now += 61_000;
  await expect(authenticate(context, `Bearer ${brief}`)).rejects.toThrow(refused);
  expect(await stillValid(context, caller)).toBe(false);

  const token = await make(['read']);
  const open = await authenticate(context, `Bearer ${token}`);
  expect(await stillValid(context, open)).toBe(true);
  await sql`update token set revoked_at = now()`.execute(db);
  await expect(authenticate(context, `Bearer ${token}`)).rejects.toThrow(refused);
  expect(await stillValid(context, open)).toBe(false);
});

test("a node's token ends by the server's clock, and allows a claimed node no intent", async () => {
  const subject = machine();
  const { node } = await trust.enrol(subject);
  const header = await trust.login(subject, node);
  const caller = await authenticate(context, header);
  authorize(caller, 'node:claimed');
  expect(() => authorize(caller, 'node:approved')).toThrow(
    "this needs scope node:approved, and a node's token of level claimed",
  );
  expect(() => authorize(caller, 'read')).toThrow("this needs scope read, and a node's token of level claimed");
  const forged = `${header.slice(0, -4)}AAAA`;
  await expect(authenticate(context, forged)).rejects.toThrow(refused);
  clock.now += 3_600_001;
  await expect(authenticate(context, header)).rejects.toThrow(refused);
  expect(await stillValid(context, caller)).toBe(false);
});

test('a state directory gets one token with all scopes, that only its user can read', async () => {
  const file = join(directory, 'operator.token');
  await ensureOperatorToken(db, directory);
  const token = readFileSync(file, 'utf8').trim();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await authenticate(context, `Bearer ${token}`)).toMatchObject({ scopes: [...operatorScopes] });
  await ensureOperatorToken(db, directory);
  expect(readFileSync(file, 'utf8').trim()).toBe(token);
  await sql`update token set revoked_at = now()`.execute(db);
  await ensureOperatorToken(db, directory);
  expect(readFileSync(file, 'utf8').trim()).toBe(token);
  writeFileSync(file, 'mdb_of_another_database\n');
  await ensureOperatorToken(db, directory);
  await authenticate(context, `Bearer ${readFileSync(file, 'utf8').trim()}`);
});
