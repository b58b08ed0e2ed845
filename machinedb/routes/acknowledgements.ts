import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { readAcknowledgements } from '../drift/acknowledgements.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { write } from '../http/write.ts';
import { nodeForRead } from '../nodes/node-ref.ts';
import type { FindingKind } from '../schema.ts';

async function readGrace(db: Reader): Promise<Partial<Record<FindingKind, number>>> {
  const rows = await db.selectFrom('finding_grace').select(['kind', 'seconds']).orderBy('kind').execute();
  return Object.fromEntries(rows.map(({ kind, seconds }) => [kind, seconds]));
}

/** How long findings may be there before they are alarmed, and who accepted which of them. */
export const acknowledgementRoutes = {
  listAcknowledgements: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const cursor = readCursor(query.cursor, keyForms.seq);
    const rows = await readAcknowledgements(db, {
      node: query.node === undefined ? undefined : await nodeForRead(db, query.node),
      open: query.open,
      before: cursor === undefined ? undefined : Number(cursor),
      limit: limit + 1,
    });
    return toPage(
      rows,
      limit,
      ({ id }) => String(id),
      (row) => row,
    );
  },
  getGrace: ({ db }) => readGrace(db),
  putGrace: (context, request) =>
    write(context, request, async (tx) => {
      for (const [kind, seconds] of Object.entries(request.input.body)) {
        const row = { kind: kind as FindingKind, seconds };
        await tx
          .insertInto('finding_grace')
          .values(row)
          .onConflict((conflict) => conflict.column('kind').doUpdateSet(row))
          .execute();
      }
      const data = request.input.body;
      await append(tx, [], [{ kind: 'findings.grace', subject: 'fleet', actor: actor(request.caller), data }]);
      return await readGrace(tx);
    }),
} satisfies Partial<Handlers>;
