import { sql } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { openDb, transaction } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { deadlocks } from '../testing/statistics.ts';
import { expireSlots } from './expire.ts';
import { withRollouts } from './testing.ts';

const { db, url, ask, role, change, turn, tell, show, report } = await withRollouts();
// The second daemon's connections.
const other = openDb({ url, max: 10, statementTimeoutMs: 30_000, onError: () => {} });
afterAll(() => other.destroy());

const ASKERS = 32;
const SLOTS = 4;

test('32 nodes that ask two daemons at the same time never get more slots than there are', async () => {
  const ids = await role('crowd', ASKERS);
  await ask('putRollout', { params: { role: 'crowd' }, body: { slots: SLOTS } });
  await change('crowd');
  const answers = await Promise.all(ids.map((id, i) => turn(id, i % 2 === 0 ? db : other)));
  expect(answers.filter((answer) => answer === 'go')).toHaveLength(SLOTS);
  expect((await show('crowd')).applying).toHaveLength(SLOTS);
  expect(await show('crowd')).toMatchObject({ waiting: ASKERS - SLOTS });
  let applying = SLOTS;
  let most = SLOTS;
  const first = ids.filter((_, i) => answers[i] === 'go');
  const one = async (id: string, i: number) => {
    while (!first.includes(id)) {
      if ((await turn(id, i % 2 === 0 ? db : other)) === 'go') {
        most = Math.max(most, ++applying);
        break;
      }
      await sql`select pg_sleep(0.02)`.execute(db);
    }
    applying -= 1;
    await tell(id, 'applied');
  };
  await Promise.all(ids.map(one));
  expect(most).toBe(SLOTS);
  expect(await show('crowd')).toMatchObject({ state: 'done', applied: ASKERS, waiting: 0, applying: [] });
}, 30_000);

test('nodes that ask, tell and report, expiring slots and changes of intent never wait for each other in a circle', async () => {
  const [left, right] = [await role('left', 6), await role('right', 6)];
  const ids = [...left, ...right];
  for (const name of ['left', 'right']) await ask('putRollout', { params: { role: name }, body: { slots: 2 } });
  const pick = <T>(list: T[], n: number) => list[n % list.length]!;
  const acts: ((n: number) => Promise<unknown>)[] = [
    (n) => turn(pick(ids, n), other),
    (n) => turn(pick(ids, n * 5)),
    (n) => tell(pick(ids, n * 7), pick(['applied', 'undone', 'same', 'failed'], n), 'x'),
    (n) => tell(pick(ids, n * 11), pick(['applied', 'planned'], n)),
    (n) => change(pick(['left', 'right'], n)),
    (n) =>
      ask(
        'putFleetIntent',
        { params: { section: 'ssh' }, query: {}, body: { permit_root_login: pick(['yes', 'no'], n) } },
        { 'if-match': '*' },
      ),
    (n) =>
      ask('assignNode', {
        params: { node: pick(ids, n) },
        body: { role: pick(['left', 'right'], n * 3), reason: 'x' },
      }),
    (n) => report(pick(ids, n * 13), { nics: { a: { name: `eth${n % 2}`, mac: '52:54:00:00:00:01' } } }),
    (n) => ask('resumeRollout', { params: { role: pick(['left', 'right'], n) }, body: { reason: 'x' } }),
    async () => {
      await db
        .updateTable('apply_slot')
        .set({ until: new Date(0) })
        .execute();
      await transaction(other, expireSlots);
    },
  ];
  await ask('putFleetIntent', { params: { section: 'ssh' }, query: {}, body: { permit_root_login: 'no' } });
  const before = await deadlocks(db, other);
  const end = Date.now() + 3000;
  const done = await Promise.all(
    acts.map(async (act, worker) => {
      let n = 0;
      for (; Date.now() < end; n++) {
        await act(n + worker).catch((error: unknown) => {
          if (!(error instanceof Problem && error.code === 'conflict')) throw error;
        });
      }
      return n;
    }),
  );
  expect(Math.min(...done)).toBeGreaterThan(0);
  expect((await deadlocks(db, other)) - before).toBe(0);
}, 30_000);
