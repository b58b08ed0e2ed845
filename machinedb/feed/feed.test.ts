import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { withDatabase } from '../testing/database.ts';
import { append } from './feed.ts';

const { db } = await withDatabase();
const revision = (data: unknown, section = 'tags') =>
  ({ subject: 'role/gpu', side: 'intended', source: 'operator', section, data, actor: 'ann' }) as const;

test('a changed section closes the open revision and opens the next; an equal one writes nothing', async () => {
  const first = await transaction(db, (tx) => append(tx, [revision({ a: true }), revision({ x: 1 }, 'mode')]));
  const same = await transaction(db, (tx) => append(tx, [revision({ a: true })]));
  const second = await transaction(db, (tx) =>
    append(tx, [revision({ b: true })], [{ kind: 'test', subject: 'fleet', actor: 'ann' }]),
  );
  expect(same.revisions).toEqual([undefined]);
  const { rows } = await sql<{ seq: number; section: string; open: boolean }>`
    select seq, section, upper_inf(valid) as open from revision order by seq`.execute(db);
  const [one, two] = first.revisions.map((written) => written!.seq);
  expect(rows).toEqual([
    { seq: one, section: 'tags', open: false },
    { seq: two, section: 'mode', open: true },
    { seq: second.revisions[0]!.seq, section: 'tags', open: true },
  ]);
  expect(second.events[0]!.seq).toBe(second.revisions[0]!.seq + 1);
});

test('ending a section that never was writes nothing', async () => {
  const { revisions } = await transaction(db, (tx) => append(tx, [revision(null, 'image')]));
  expect(revisions).toEqual([undefined]);
});

test('PostgreSQL itself refuses two versions of one section at one time, and of that section alone, whoever writes them', async () => {
  const time = { subject: 'role/raw', side: 'intended', source: 'operator', section: 'time' };
  const insert = ({ subject, side, source, section }: typeof time, valid: string) => sql`
    insert into revision (seq, at, subject, side, source, section, data, hash, actor, valid)
    values (nextval('feed_seq'), now(), ${subject}, ${side}, ${source}, ${section}, '{}', 'h', 'ann', ${valid}::tstzrange)`;
  await insert(time, '[2020-01-01, 2020-01-03)').execute(db);
  await insert(time, '[2020-01-03, 2020-01-05)').execute(db);
  for (const other of [{ subject: 'role/raws' }, { side: 'derived' }, { source: 'agent' }, { section: 'ssh' }])
    await insert({ ...time, ...other }, '[2020-01-01, 2020-01-03)').execute(db);
  await expect(insert(time, '[2020-01-02, 2020-01-04)').execute(db)).rejects.toMatchObject({
    code: '23P01',
    constraint: 'revision_one_version_at_a_time',
  });
});

test('sequence and time go forward together under 8 writers', async () => {
  await Promise.all(
    Array.from({ length: 8 }, (_, writer) =>
      (async () => {
        for (let i = 0; i < 20; i++) {
          await transaction(db, (tx) =>
            append(tx, [revision({ i }, `s${writer}`)], [{ kind: 'k', subject: 'fleet', actor: 'a' }]),
          );
        }
      })(),
    ),
  );
  const { rows } = await sql<{ wrong: number }>`
    select count(*) as wrong from (
      select at < lag(at) over (order by seq) as back from (select seq, at from revision union all select seq, at from event) as feed
    ) as steps where back`.execute(db);
  expect(rows).toEqual([{ wrong: 0 }]);
});
