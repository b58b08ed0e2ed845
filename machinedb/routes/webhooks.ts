import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { WebhookView } from '../../shared/api/webhooks.ts';
import { actor, type Caller, type Context, type Handlers } from '../context.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { isAllowed, literalOf, systemResolve } from '../webhooks/address.ts';
import { attempt } from '../webhooks/attempt.ts';
import { testMessage } from '../webhooks/message.ts';
import { EVERY_EVENT, newestSeq } from '../webhooks/next.ts';
import type { Webhook } from '../webhooks/run.ts';
import { dropKeys, putKey } from '../webhooks/secret.ts';
import { TIMEOUT_MS } from '../webhooks/sender.ts';
import { keyOf, newSecret } from '../webhooks/signature.ts';

const optional = <T>(value: T | null) => value ?? undefined;

/** Scheme and host: the rest of a URL is a secret with many receivers. */
const withoutPath = (url: string) => new URL(url).origin;

/** A webhook as the API shows it to a caller: its whole URL only to those who may write it. */
function toView(hook: Webhook, epoch: string, caller: Caller): WebhookView {
  const mayWrite = caller.kind === 'operator' && caller.scopes.includes('admin');
  const failing = hook.attempts > 0 ? ('failing' as const) : ('active' as const);
  const active = hook.epoch === epoch ? failing : ('paused' as const);
  return {
    name: hook.name,
    url: mayWrite ? hook.url : withoutPath(hook.url),
    kinds: hook.kinds,
    description: optional(hook.description),
    state: hook.state === 'disabled' ? 'disabled' : active,
    delivered: hook.delivered,
    delivered_at: hook.delivered_at?.toISOString(),
    attempts: hook.attempts,
    next_at: hook.state === 'active' && hook.attempts > 0 ? hook.next_at.toISOString() : undefined,
    tried_at: hook.tried_at?.toISOString(),
    last_status: optional(hook.last_status),
    last_error: optional(hook.last_error),
    cursor: `${hook.epoch}.${hook.cursor}`,
    created_by: hook.created_by,
    created_at: hook.created_at.toISOString(),
  };
}

async function read(db: Reader, name: string): Promise<Webhook> {
  const hook = await db.selectFrom('webhook').selectAll().where('name', '=', name).executeTakeFirst();
  if (hook === undefined)
    throw new Problem('not_found', `there is no webhook "${name}": machinedb webhook list shows them`);
  return hook;
}

function checkUrl(text: string, allowed: readonly string[]): void {
  const url = new URL(text);
  if (url.protocol !== 'https:') throw new Problem('invalid', `${text} is not https: messages go over TLS only`);
  if (url.username !== '' || url.password !== '')
    throw new Problem('invalid', 'the URL has a name or password: messages are signed, leave both out');
  const literal = literalOf(url);
  if (literal !== undefined && !isAllowed(literal, allowed))
    throw new Problem(
      'invalid',
      `nothing is sent to ${literal}: only to public addresses, and networks that MACHINEDB_WEBHOOK_ALLOW names`,
    );
}

/** Stores the key given or made; answers the secret where it was made here. */
async function storeSecret(tx: Tx, { keys }: Context, name: string, given: string | undefined) {
  const secret = given ?? newSecret();
  const key = keyOf(secret);
  if (key === undefined)
    throw new Problem(
      'invalid',
      'the secret is not whsec_ and base64 of 24 to 64 bytes: leave it out, and one is made',
    );
  await putKey(tx, keys.kek, name, key);
  return given === undefined ? { secret } : {};
}

/** A retry of a write that shows a secret is not answered from memory: its text is kept nowhere. */
function withoutKey<T extends { headers: object }>(request: T): T {
  return { ...request, headers: { ...request.headers, 'idempotency-key': undefined } };
}

export const webhookRoutes = {
  listWebhooks: async ({ db, feed }: Context, { input: { query }, caller }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('webhook')
      .selectAll()
      .where('name', '>', readCursor(query.cursor, keyForms.name) ?? '')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => toView(row, feed.epoch, caller),
    );
  },
  getWebhook: async ({ db, feed }, { input: { params }, caller }) =>
    toView(await read(db, params.webhook), feed.epoch, caller),
  putWebhook: (context, request) =>
    write(context, withoutKey(request), async (tx) => {
      const name = request.input.params.webhook;
      const { url, kinds = [EVERY_EVENT], description, secret } = request.input.body;
      checkUrl(url, context.config.webhookAllow);
      const { epoch } = context.feed;
      const who = actor(request.caller);
      const values = { url, kinds, description: description ?? null };
      const made = await tx
        .insertInto('webhook')
        .values({ name, ...values, epoch, cursor: 0, created_by: who })
        .onConflict((conflict) => conflict.doNothing())
        .returning('name')
        .executeTakeFirst();
      const shown = made === undefined && secret === undefined ? {} : await storeSecret(tx, context, name, secret);
      const event = {
        kind: 'webhook.put',
        subject: `webhook/${name}`,
        actor: who,
        data: { url: withoutPath(url), kinds },
      };
      const written = await append(tx, [], [event]);
      // One that is new begins behind the event that made it.
      const next = made === undefined ? values : { cursor: written.events[0]!.seq };
      await tx.updateTable('webhook').set(next).where('name', '=', name).execute();
      return { ...toView(await read(tx, name), epoch, request.caller), ...shown };
    }),
  rotateWebhook: (context, request) =>
    write(context, withoutKey(request), async (tx) => {
      const name = request.input.params.webhook;
      const { secret, reason } = request.input.body;
      const hook = await read(tx, name);
      const shown = await storeSecret(tx, context, name, secret);
      const event = { kind: 'webhook.rotated', subject: `webhook/${name}`, actor: actor(request.caller), reason };
      await append(tx, [], [event]);
      return { ...toView(hook, context.feed.epoch, request.caller), ...shown };
    }),
  deleteWebhook: (context, request) =>
    write(context, request, async (tx) => {
      const name = request.input.params.webhook;
      await read(tx, name);
      await tx.deleteFrom('webhook').where('name', '=', name).execute();
      await dropKeys(tx, name);
      await append(tx, [], [{ kind: 'webhook.deleted', subject: `webhook/${name}`, actor: actor(request.caller) }]);
      return { deleted: true };
    }),
  testWebhook: async ({ db, keys, config, now }, { input: { params } }) => {
    const hook = await read(db, params.webhook);
    const options = { timeoutMs: TIMEOUT_MS, allowed: config.webhookAllow, resolve: systemResolve, now };
    const message = testMessage(hook.name, randomUUID(), new Date(now()));
    const { delivered, status, error } = await attempt(db, keys.kek, hook, message, options);
    return { delivered, status, error };
  },
  resumeWebhook: (context, request) =>
    write(context, request, async (tx) => {
      const name = request.input.params.webhook;
      const { skip = false, reason } = request.input.body;
      const { epoch } = context.feed;
      await read(tx, name);
      const event = { kind: 'webhook.resumed', subject: `webhook/${name}`, actor: actor(request.caller), reason };
      await append(tx, [], [{ ...event, data: { skip } }]);
      const going = {
        state: 'active',
        epoch,
        attempts: 0,
        next_at: sql<Date>`now()`,
        lease: null,
        lease_until: null,
      } as const;
      await tx
        .updateTable('webhook')
        .set({ ...going, ...(skip ? { cursor: await newestSeq(tx) } : {}) })
        .where('name', '=', name)
        .execute();
      return toView(await read(tx, name), epoch, request.caller);
    }),
} satisfies Partial<Handlers>;
