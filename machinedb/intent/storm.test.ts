import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { enrol } from '../enrol/enrol.ts';
import { holdArrivals } from '../nodes/arrivals.ts';
import { withIntents } from '../testing/intents.ts';
import { deadlocks } from '../testing/statistics.ts';
import { makeNonce } from '../trust/nonce.ts';
import { claimOf, machine, unique } from '../trust/testing/machine.ts';

const { db, keys, context, ask } = await withIntents();
const NODES = 400;
const STORMING = 8;

await sql`
  with made as (insert into node (state, level) select 'approved', 'approved' from generate_series(1, ${NODES}) returning id)
  insert into node_now (node) select id from made`.execute(db);
await ask('putApprovalRule', { params: { rule: 'x9' }, body: { product: 'X9', site: 'ber', role: 'gpu' } });

/** A machine that nobody knows claims; every second one is approved by a rule. */
const newcomer = (n: number) => {
  const claimant = machine({ ...unique(), product: n % 2 === 0 ? 'X9' : 'X1' });
  return enrol(context, claimOf(claimant, { nonce: makeNonce(keys, Date.now()) }), `192.0.2.${n % 200}`);
};

test('intents of all nodes get through a storm of machines that enrol', async () => {
  const before = await deadlocks(db);
  let ended = false;
  let enrolled = 0;
  const storm = Promise.all(
    Array.from({ length: STORMING }, async () => {
      for (let n = 0; !ended; n++) {
        await newcomer(n);
        enrolled++;
      }
    }),
  );
  const tags = (value: Record<string, true>) =>
    ask('putFleetIntent', { params: { section: 'tags' }, body: value }, { 'if-match': '*' });
  try {
    await ask('putFleetIntent', { params: { section: 'tags' }, body: { first: true } });
    // Two at once hold nobody up in a circle, either.
    await Promise.all([tags({ second: true }), tags({ third: true })]);
  } finally {
    ended = true;
  }
  await storm;
  expect(enrolled).toBeGreaterThan(STORMING);
  expect((await deadlocks(db)) - before).toBe(0);
  const { rows } = await sql<{ wrong: number }>`
    select count(*) filter (where tags = '{first}') as wrong from node_now`.execute(db);
  expect(rows).toEqual([{ wrong: 0 }]);
}, 60_000);

test('who makes a node waits for one who holds them up, and is let through at its end', async () => {
  const order: string[] = [];
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  let made: Promise<unknown> | undefined;
  const holder = transaction(db, async (tx) => {
    await holdArrivals(tx);
    isHeld();
    made = newcomer(1).then(() => order.push('made'));
    await sql`select pg_sleep(0.2)`.execute(tx);
    order.push('held');
  });
  await held;
  await holder;
  await made;
  expect(order).toEqual(['held', 'made']);
});
