import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';
import { toDatabaseProblem } from './database-problem.ts';

const { db, node } = await withIntents();

/** The problem of what the database refuses. */
async function refused(write: Promise<unknown>) {
  const problem = toDatabaseProblem(
    await write.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  return [problem?.status, problem?.message];
}

test('what only the database sees is a conflict that names the thing', async () => {
  const [a, b] = [await node(), await node()];
  expect(
    await refused(db.insertInto('approval_rule').values({ name: 'x', role: 'gpuu', created_by: 'ann' }).execute()),
  ).toEqual([409, 'there is no role "gpuu": machinedb role list shows them']);
  expect(await refused(db.deleteFrom('site').where('name', '=', 'ber').execute())).toEqual([
    409,
    '"ber" is used by a rack: end that use first',
  ]);
  await db.updateTable('node_now').set({ fqdn: 'a.example.org' }).where('node', '=', a).execute();
  expect(
    await refused(db.updateTable('node_now').set({ fqdn: 'a.example.org' }).where('node', '=', b).execute()),
  ).toEqual([409, 'the name a.example.org was given to another node just now: take another']);
  const place = { site: 'ber', rack: 'r1', face: 'both', faces: '[1,2]', units: '[1,1]' } as const;
  await db
    .insertInto('placement')
    .values({ node: a, ...place })
    .execute();
  expect(
    await refused(
      db
        .insertInto('placement')
        .values({ node: b, ...place })
        .execute(),
    ),
  ).toEqual([409, 'another machine was placed there just now: read the rack again, and take other units']);
  const address = { address: '10.1.0.9', network: 'mgmt', interface: 'eth0', label: 'primary', requested: true };
  await db
    .insertInto('allocation')
    .values({ node: a, ...address })
    .execute();
  expect(
    await refused(
      db
        .insertInto('allocation')
        .values({ node: b, ...address })
        .execute(),
    ),
  ).toEqual([409, 'address 10.1.0.9 was given to another node just now: take another']);
  const mac = '52:54:00:00:00:01';
  await db.insertInto('intended_mac').values({ node: a, mac }).execute();
  expect(await refused(db.insertInto('intended_mac').values({ node: b, mac }).execute())).toEqual([
    409,
    `MAC ${mac} was intended for another node just now: a port is in one machine`,
  ]);
});

test('a write that others were in the way of can be tried again', () => {
  const problem = toDatabaseProblem(Object.assign(new Error('deadlock detected'), { code: '40P01' }));
  expect([problem?.status, problem?.retryAfter]).toEqual([503, 1]);
});

test('a mistake of ours is no problem of the client', () => {
  expect(toDatabaseProblem(Object.assign(new Error('syntax error'), { code: '42601' }))).toBeUndefined();
  expect(toDatabaseProblem(new Error('x'))).toBeUndefined();
});
