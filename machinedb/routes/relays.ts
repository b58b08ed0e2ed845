import { join } from 'node:path';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import { explainBoot } from '../boot/boot.ts';
import { actor, type Caller, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { createRelayToken } from '../relays/relay-token.ts';
import { takeSaid } from '../relays/said.ts';
import { openImageFile, siteImages } from '../relays/site-images.ts';
import { siteNodes } from '../relays/site-nodes.ts';
import type { Database } from '../schema.ts';
import { certifyKey } from '../trust/ca.ts';

/** A relay renews its certificate when half of this is over: it outlives a centre that is away, and not long a revocation. */
const CERTIFICATE_S = 7 * 86_400;
/** A MAC that no machine has: what is decided for it is decided for every machine that nobody knows. */
const NOBODY = '00:00:00:00:00:00';

function toRelay({ name, site, created_by, created_at, seen_at, revoked_at }: Selectable<Database['relay']>) {
  return {
    name,
    site,
    created_by,
    created_at: created_at.toISOString(),
    seen_at: seen_at?.toISOString(),
    revoked_at: revoked_at?.toISOString(),
  };
}

function relayOf(caller: Caller): Extract<Caller, { kind: 'relay' }> {
  if (caller.kind !== 'relay') throw new Problem('forbidden', "this is a relay's own door");
  return caller;
}

export const relayRoutes = {
  listRelays: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const after = readCursor(query.cursor, keyForms.id);
    let select = db
      .selectFrom('relay')
      .selectAll()
      .orderBy('id')
      .limit(limit + 1);
    if (after !== undefined) select = select.where('id', '>', after);
    return toPage(await select.execute(), limit, ({ id }) => id, toRelay);
  },
  createRelay: async (context, request) => {
    const { name, site } = request.input.body;
    // A retry of this write is not answered from memory: the token's text is kept nowhere.
    const { 'idempotency-key': _, ...headers } = request.headers;
    return await write(context, { ...request, headers }, async (tx) => {
      const createdBy = actor(request.caller);
      const { row, token } = await createRelayToken(tx, { name, site, createdBy });
      await append(tx, [], [{ kind: 'relay.created', subject: 'fleet', actor: createdBy, data: { name, site } }]);
      return { ...toRelay(row), token };
    });
  },
  revokeRelay: async (context, request) =>
    await write(context, request, async (tx) => {
      const { relay: name } = request.input.params;
      const row = await tx
        .updateTable('relay')
        .set({ revoked_at: sql<Date>`now()` })
        .where('name', '=', name)
        .where('revoked_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined)
        throw new Problem(
          'not_found',
          `there is no relay "${name}" that is not revoked: machinedb relay list shows them`,
        );
      const data = { name, site: row.site };
      await append(tx, [], [{ kind: 'relay.revoked', subject: 'fleet', actor: actor(request.caller), data }]);
      return toRelay(row);
    }),
  getRelaySelf: async (context, { caller }) => {
    const { name, site } = relayOf(caller);
    return {
      name,
      site,
      trust: context.keys.trust(),
      trust_signatures: context.keys.trustSignatures(),
      certificates: context.keys.authorities().map(({ certificate }) => certificate),
      unknown: await explainBoot(context, { mac: NOBODY }, site),
      images: await siteImages(context.db, site),
    };
  },
  listRelayNodes: async (context, { caller, input: { query } }) => {
    const { site } = relayOf(caller);
    const limit = query.limit ?? 100;
    const nodes = await siteNodes(context, site, readCursor(query.cursor, keyForms.id), limit + 1);
    return toPage(
      nodes,
      limit,
      ({ node }) => node,
      (node) => node,
    );
  },
  getRelayBoot: async (context, { caller, input: { query } }) =>
    await explainBoot(context, query, relayOf(caller).site),
  getRelayFile: async ({ db, config }, { caller, input: { params } }, extra) => {
    relayOf(caller);
    extra.file = await openImageFile(db, join(config.imageDirectory, 'files'), params.sha256);
    return '';
  },
  certifyRelay: async ({ keys, now }, { caller, input: { body } }) => {
    relayOf(caller);
    const until = now() + CERTIFICATE_S * 1000;
    const spki = Buffer.from(body.public_key, 'base64');
    const certificate = await certifyKey(keys.authorities(), spki, body.names, until).catch(() => {
      throw new Problem('invalid', 'public_key is not an ECDSA P-256 key, SubjectPublicKeyInfo in DER, base64');
    });
    return { certificate, valid_s: CERTIFICATE_S };
  },
  putRelaySaid: async (context, { caller, input: { body } }) => {
    await takeSaid(context, relayOf(caller).site, body);
    return {};
  },
  relayLink: async () => {
    throw new Problem('invalid', "a relay's connection is a WebSocket: send Upgrade: websocket");
  },
} satisfies Partial<Handlers>;
