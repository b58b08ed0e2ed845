import { sql } from 'kysely';
import { actor, type Handlers } from '../context.ts';
import { recordAcknowledgement } from '../drift/acknowledgements.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { countFindings } from '../intent/findings.ts';
import { findingsAt } from '../nodes/findings-at.ts';
import { alarmed, countByKind, selectFindings, toFinding } from '../nodes/node-findings.ts';
import { checkNamed } from '../places/named.ts';
import { readOutages } from '../watch/outages.ts';

export const findingRoutes = {
  listFindings: async ({ db }, { input: { query } }) => {
    const limit = query.limit ?? 100;
    if (query.as_of !== undefined) {
      const { as_of, cursor, alarmed: isAlarmed, ...filter } = query;
      if (isAlarmed !== undefined)
        throw new Problem('invalid', 'alarmed is of now: what was in its grace at a time is not kept; ask without it');
      const after = Number(readCursor(cursor, keyForms.seq) ?? 0);
      const then = await findingsAt(db, as_of, { ...filter, after, limit: limit + 1 });
      return toPage(
        then,
        limit,
        ({ id }) => String(id),
        (finding) => finding,
      );
    }
    let rows = selectFindings(db)
      .orderBy('f.id')
      .limit(limit + 1)
      .where('f.id', '>', Number(readCursor(query.cursor, keyForms.seq) ?? 0));
    if (query.section !== undefined) rows = rows.where('f.section', '=', query.section);
    if (query.severity !== undefined) rows = rows.where('f.severity', '=', query.severity);
    if (query.site !== undefined) rows = rows.where('n.site', '=', query.site);
    if (query.role !== undefined) rows = rows.where('n.role', '=', query.role);
    if (query.acknowledged !== undefined)
      rows = rows.where(
        sql<boolean>`(f.acknowledged_by is not null and coalesce(f.acknowledged_until > now(), true)) = ${query.acknowledged}`,
      );
    if (query.alarmed !== undefined) rows = rows.where(alarmed, '=', query.alarmed);
    const page = toPage(await rows.execute(), limit, ({ id }) => String(id), toFinding);
    if (page.items.length === 0 && query.cursor === undefined) await checkNamed(db, query);
    return { ...page, sites_unreachable: await readOutages(db, query.site) };
  },
  summarizeFindings: async ({ db }, { input: { query } }) => {
    const items = await countByKind(db, query);
    if (items.length === 0) await checkNamed(db, query);
    return { items, sites_unreachable: await readOutages(db, query.site) };
  },
  acknowledgeFinding: async (context, request) =>
    await write(context, request, async (tx) => {
      const { id } = request.input.params;
      const { until, reason } = request.input.body;
      if (until !== undefined && Date.parse(until) <= context.now())
        throw new Problem('invalid', `until is ${until}, which is past: name a time to come, or none`);
      const who = actor(request.caller);
      // The node before its findings: a report takes them in the same order.
      await sql`select from node where id = (select node from finding where id = ${id}) for update`.execute(tx);
      const updated = await tx
        .updateTable('finding')
        .set({ acknowledged_by: who, acknowledged_until: until ?? null, acknowledged_reason: reason })
        .where('id', '=', id)
        .returning(['node', 'section', 'path'])
        .executeTakeFirst();
      if (updated === undefined)
        throw new Problem(
          'not_found',
          `there is no finding ${id}: it may have been mended; machinedb findings lists them`,
        );
      await recordAcknowledgement(tx, id);
      await countFindings(tx, [updated.node]);
      const { section, path } = updated;
      await append(
        tx,
        [],
        [
          {
            kind: 'finding.acknowledged',
            subject: `node/${updated.node}`,
            actor: who,
            reason,
            data: { section, path, until },
          },
        ],
      );
      return { finding: toFinding(await selectFindings(tx).where('f.id', '=', id).executeTakeFirstOrThrow()) };
    }),
} satisfies Partial<Handlers>;
