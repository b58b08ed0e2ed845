import { sql } from 'kysely';
import { type Db, type Tx, transaction } from '../db.ts';
import { storeFindings } from '../intent/findings.ts';
import { type About, isAbout, type Judged, PROFILE, profileFindings, readProfiles, sectionsIn } from './profiles.ts';

const FIRST = '00000000-0000-0000-0000-000000000000';
/** So many nodes are judged in a transaction at most, and so many looked at: their reports wait for its end. */
const JUDGED = 500;
const LOOKED_AT = 2000;

/** From now on the nodes that these are about are to be judged anew: profiles have changed in this transaction. */
export async function restartJudging(tx: Tx, about: About[]): Promise<void> {
  const rows = about.map(({ model, role }) => ({ model: model ?? null, role: role ?? null, judged_to: FIRST }));
  // Always in one order: two changes never wait for one another.
  rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  for (const row of rows)
    await tx
      .insertInto('profile_due')
      .values(row)
      .onConflict((conflict) => conflict.columns(['model', 'role']).doUpdateSet({ judged_to: FIRST }))
      .execute();
}

/**
 * Judges the next nodes that a profile which has changed is about, by the profiles that there are now; answers whether more are
 * left. All nodes are locked in their order, also those that it is not about: who is judged elsewhere at the same time, and may
 * come to be meant by that, is waited for, and who locks a node later has read the newest profiles. So each daemon can go on
 * where another stopped.
 */
export async function judgeDue(tx: Tx): Promise<boolean> {
  const due = await tx
    .selectFrom('profile_due')
    .selectAll()
    .orderBy('model')
    .orderBy('role')
    .limit(1)
    .forUpdate()
    .executeTakeFirst();
  // Another may have ended just the one that was waited for.
  if (due === undefined) return (await tx.selectFrom('profile_due').select('judged_to').limit(1).execute()).length > 0;
  const locked = await tx
    .selectFrom('node')
    .select('id')
    .where('id', '>', due.judged_to)
    .orderBy('id')
    .limit(LOOKED_AT)
    .forUpdate()
    .execute();
  const ids = locked.map(({ id }) => id);
  const { rows } = await sql<{ node: string }>`
    select node from node_now n where node = any (${ids}::uuid[]) and ${isAbout(due)} order by node limit ${JUDGED}`.execute(
    tx,
  );
  const nodes = rows.map(({ node }) => node);
  await judgeNodes(tx, nodes);
  const to = nodes.length === JUDGED ? nodes.at(-1)! : ids.at(-1);
  const is = sql<boolean>`(model, role) is not distinct from (${due.model}, ${due.role})`;
  if (nodes.length < JUDGED && ids.length < LOOKED_AT) await tx.deleteFrom('profile_due').where(is).execute();
  else await tx.updateTable('profile_due').set({ judged_to: to! }).where(is).execute();
  return true;
}

/** Judges all that is due. What does not come to its end here, since the daemon ends, a background task goes on with. */
export async function judgeAllDue(db: Db): Promise<void> {
  while (await transaction(db, judgeDue));
}

/** Makes the findings of these nodes, whose rows are locked, those of the profiles. */
export async function judgeNodes(tx: Tx, nodes: string[]): Promise<void> {
  const profiles = await readProfiles(tx);
  const used = [...new Set(profiles.flatMap(({ expect }) => Object.keys(expect)))];
  for (let i = 0; i < nodes.length; i += JUDGED) {
    const ids = nodes.slice(i, i + JUDGED);
    const { rows } = await sql<Judged>`
      select node, model, role, errors, ${sectionsIn(used)} as observed
      from node_now n where node = any (${ids}::uuid[])`.execute(tx);
    await storeFindings(
      tx,
      ids,
      rows.flatMap((row) => profileFindings(row, profiles)),
      PROFILE,
    );
  }
}
