import { sql } from 'kysely';
import { changes } from '../../shared/diff.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { append } from '../feed/feed.ts';
import { blame } from '../history/blame.ts';
import { checkKept } from '../history/kept-sections.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForRead } from '../nodes/node-ref.ts';
import { sectionsAt, wantedAt } from '../nodes/sections-at.ts';
import type { Side } from '../schema.ts';

/** All of a node that a comparison shows. */
async function wholeOf(db: Reader, node: string, time: string | undefined) {
  return {
    observed: await sectionsAt(db, node, 'observed', time),
    intended: await sectionsAt(db, node, 'intended', time),
    wanted: (await wantedAt(db, node, time)).wanted,
  };
}

async function retentions(db: Reader) {
  const { rows } = await sql<{ side: Side; section: string; keep_days: number; at: Date | null }>`
    select side, section, keep_days, h.at from retention left join retention_horizon h using (side, section)
    order by side, section`.execute(db);
  return rows.map(({ at, ...row }) => ({ ...row, ...(at === null ? {} : { whole_from: at.toISOString() }) }));
}

export const historyRoutes = {
  diffNode: async ({ db }: Context, { input: { params, query } }) => {
    if ((query.from === undefined) === (query.with === undefined))
      throw new Problem('invalid', 'say from (a time to compare with) or with (another node), one of both');
    const id = await nodeForRead(db, params.node);
    const to = await wholeOf(db, id, query.to);
    if (query.with === undefined) return { changes: changes(await wholeOf(db, id, query.from), to) };
    return { changes: changes(to, await wholeOf(db, await nodeForRead(db, query.with), query.to)) };
  },
  blameNode: async ({ db, feed }, { input: { params, query } }) => {
    const id = await nodeForRead(db, params.node);
    return { items: await blame(db, feed.epoch, id, query.path, query.as_of) };
  },
  listRetention: async ({ db }) => ({ items: await retentions(db) }),
  putRetention: (context, request) =>
    write(context, request, async (tx) => {
      const { section } = request.input.params;
      const { side = 'observed', keep_days, reason } = request.input.body;
      checkKept(side, section);
      await sql`
        insert into retention (side, section, keep_days) values (${side}, ${section}, ${keep_days})
        on conflict (side, section) do update set keep_days = excluded.keep_days`.execute(tx);
      const data = { side, section, keep_days };
      await append(tx, [], [{ kind: 'retention.put', subject: 'fleet', actor: actor(request.caller), reason, data }]);
      return (await retentions(tx)).find((row) => row.side === side && row.section === section)!;
    }),
  deleteRetention: (context, request) =>
    write(context, request, async (tx) => {
      const { section } = request.input.params;
      const { side = 'observed' } = request.input.query;
      const { numAffectedRows } = await sql`
        delete from retention where side = ${side} and section = ${section}`.execute(tx);
      if (numAffectedRows === 0n)
        throw new Problem('not_found', `${side} ${section} has no retention: machinedb retention list shows them`);
      const event = { kind: 'retention.deleted', subject: 'fleet', actor: actor(request.caller) };
      await append(tx, [], [{ ...event, data: { side, section } }]);
      return { deleted: true };
    }),
} satisfies Partial<Handlers>;
