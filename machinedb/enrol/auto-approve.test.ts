import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createJoinToken, type NewJoinToken } from '../trust/join-token.ts';
import { machine, unique, withTrust } from '../trust/testing/machine.ts';

const trust = await withTrust();
const { db } = trust;

test('a join token approves as often as it says, and not after its time', async () => {
  const make = (options: Partial<NewJoinToken>) =>
    createJoinToken(db, { uses: 2, expiresInS: 3600, by: 'ann', ...options });
  const { token: joinToken, id } = await make({});
  const answers = await Promise.all(
    [1, 2, 3].map((i) => trust.enrol(machine(), { joinToken }, `198.51.100.${50 + i}`)),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual(['approved', 'approved', 'pending']);
  const late = await make({ expiresInS: -1 });
  expect(await trust.enrol(machine(), { joinToken: late.token }, '198.51.100.55')).toMatchObject({ status: 'pending' });
  const { rows } = await sql<{ actor: string }>`
    select actor from event where kind = 'node.approved' and actor = ${`join-token/${id}`}`.execute(db);
  expect(rows).toHaveLength(2);
});

test('a rule approves who meets all of it, as often as it says, and gives site and role', async () => {
  await sql`insert into site (name) values ('ams1')`.execute(db);
  await sql`insert into role (name) values ('web')`.execute(db);
  const subject = machine({ ...unique(), serial: 'RULE-1' });
  await db
    .insertInto('approval_rule')
    .values({
      name: 'racks',
      serials: ['RULE-1', 'RULE-2'],
      networks: ['10.9.0.0/16'],
      vendor: 'Acme',
      product: null,
      site: 'ams1',
      role: 'web',
      uses_left: 1,
      created_by: 'ann',
    })
    .execute();
  const { node, status } = await trust.enrol(subject, {}, '192.0.2.77');
  expect(status).toBe('pending');
  expect(await trust.enrol(subject, {}, '::ffff:10.9.1.1')).toMatchObject({ node, status: 'approved' });
  const now = await db.selectFrom('node_now').select(['site', 'role']).where('node', '=', node).executeTakeFirst();
  expect(now).toEqual({ site: 'ams1', role: 'web' });
  const second = machine({ ...unique(), serial: 'RULE-2' });
  expect(await trust.enrol(second, {}, '10.9.1.2')).toMatchObject({ status: 'pending' });
});
