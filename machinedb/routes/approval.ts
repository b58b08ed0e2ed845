import { type Selectable, sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';
import { viewNode } from '../nodes/node-view.ts';
import type { Database } from '../schema.ts';
import { approve } from '../trust/approve.ts';
import { createJoinToken } from '../trust/join-token.ts';
import { revoke } from '../trust/revoke.ts';

function toRule(row: Selectable<Database['approval_rule']>) {
  return {
    name: row.name,
    created_by: row.created_by,
    serials: row.serials ?? undefined,
    networks: row.networks ?? undefined,
    vendor: row.vendor ?? undefined,
    product: row.product ?? undefined,
    site: row.site ?? undefined,
    role: row.role ?? undefined,
    take_place: row.take_place ?? undefined,
    expires_at: row.expires_at?.toISOString(),
    uses_left: row.uses_left ?? undefined,
  };
}

export const approvalRoutes = {
  approveNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const { fingerprint, reason } = request.input.body;
      await approve(tx, context.keys, { node, fingerprint, reason, actor: actor(request.caller) });
      return { node: await viewNode(tx, node) };
    }),
  revokeNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const { reason } = request.input.body;
      await revoke(tx, node, actor(request.caller), reason);
      return { node: await viewNode(tx, node) };
    }),
  createJoinToken: async (context, request) => {
    // Its text is kept nowhere, so a retry cannot be answered from memory.
    const { 'idempotency-key': _, ...headers } = request.headers;
    return await write(context, { ...request, headers }, async (tx) => {
      const { uses, expires_in, site, role } = request.input.body;
      const by = actor(request.caller);
      const made = await createJoinToken(tx, { uses, expiresInS: expires_in, site, role, by });
      await append(
        tx,
        [],
        [{ kind: 'join_token.created', subject: 'fleet', actor: by, data: { id: made.id, uses, site, role } }],
      );
      return { ...made, expires_at: made.expires_at.toISOString() };
    });
  },
  listApprovalRules: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('approval_rule')
      .selectAll()
      .where('name', '>', readCursor(query.cursor) ?? '')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    return toPage(rows, limit, ({ name }) => name, toRule);
  },
  putApprovalRule: async (context, request) =>
    await write(context, request, async (tx) => {
      const { serials, networks, vendor, product, site, role, take_place, expires_in, uses } = request.input.body;
      if (serials === undefined && networks === undefined && vendor === undefined && product === undefined) {
        throw new Problem(
          'invalid',
          'a rule without a condition would approve every machine: give serials, networks, vendor or product',
        );
      }
      const name = request.input.params.rule;
      const values = {
        serials: serials ?? null,
        networks: networks ?? null,
        vendor: vendor ?? null,
        product: product ?? null,
        site: site ?? null,
        role: role ?? null,
        take_place: take_place ?? null,
        expires_at: expires_in === undefined ? null : sql<Date>`now() + make_interval(secs => ${expires_in})`,
        uses_left: uses ?? null,
        created_by: actor(request.caller),
      };
      const row = await tx
        .insertInto('approval_rule')
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      await append(
        tx,
        [],
        [{ kind: 'approval_rule.put', subject: 'fleet', actor: actor(request.caller), data: toRule(row) }],
      );
      return toRule(row);
    }),
  deleteApprovalRule: async (context, request) =>
    await write(context, request, async (tx) => {
      const name = request.input.params.rule;
      const { numDeletedRows } = await tx
        .deleteFrom('approval_rule')
        .where('name', '=', name)
        .executeTakeFirstOrThrow();
      if (numDeletedRows === 0n)
        throw new Problem('not_found', `there is no approval rule ${name}: machinedb rule list shows them`);
      await append(
        tx,
        [],
        [{ kind: 'approval_rule.deleted', subject: 'fleet', actor: actor(request.caller), data: { name } }],
      );
      return { deleted: true };
    }),
} satisfies Partial<Handlers>;
