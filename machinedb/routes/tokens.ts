import type { Selectable } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import type { Database } from '../schema.ts';
import { createOperatorToken } from '../trust/operator-token.ts';

type TokenRow = Omit<Selectable<Database['token']>, 'hash'>;

const columns = ['id', 'name', 'scopes', 'created_by', 'created_at', 'expires_at', 'revoked_at'] as const;

function toToken(row: TokenRow) {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes as never,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString(),
    revoked_at: row.revoked_at?.toISOString(),
  };
}

export const tokenRoutes = {
  listTokens: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const after = readCursor(query.cursor, keyForms.id);
    let select = db
      .selectFrom('token')
      .select(columns)
      .orderBy('id')
      .limit(limit + 1);
    if (after !== undefined) select = select.where('id', '>', after);
    return toPage(await select.execute(), limit, ({ id }) => id, toToken);
  },
  createToken: async (context, request) => {
    const { name, scopes, expires_in } = request.input.body;
    const expiresAt = expires_in === undefined ? undefined : new Date(context.now() + expires_in * 1000);
    // A retry of this write is not answered from memory: the token's text is kept nowhere.
    const { 'idempotency-key': _, ...headers } = request.headers;
    return await write(context, { ...request, headers }, async (tx) => {
      const made = await createOperatorToken(tx, { name, scopes, createdBy: actor(request.caller), expiresAt });
      const row = await tx.selectFrom('token').select(columns).where('id', '=', made.id).executeTakeFirstOrThrow();
      return { ...toToken(row), token: made.token };
    });
  },
  revokeToken: async (context, request) =>
    await write(context, request, async (tx) => {
      const { id } = request.input.params;
      const row = await tx
        .updateTable('token')
        .set((eb) => ({ revoked_at: eb.fn.coalesce('revoked_at', eb.fn<Date>('now')) }))
        .where('id', '=', id)
        .returning(columns)
        .executeTakeFirst();
      if (row === undefined) throw new Problem('not_found', `there is no token ${id}: machinedb token list shows them`);
      await append(
        tx,
        [],
        [{ kind: 'token.revoked', subject: 'fleet', actor: actor(request.caller), data: { id, name: row.name } }],
      );
      return toToken(row);
    }),
} satisfies Partial<Handlers>;
