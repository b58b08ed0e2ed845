import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Operation, Reply } from '../../shared/api.ts';
import { actor, type Context, type Request } from '../context.ts';
import { type Tx, transaction } from '../db.ts';
import { Problem } from './problem.ts';

class DryRun extends Error {
  readonly reply: unknown;
  constructor(reply: unknown) {
    super('dry run');
    this.reply = reply;
  }
}

/**
 * Runs an operator's write in one transaction. With `dry_run` the same work is done and rolled back; with an
 * Idempotency-Key header (a quoted string, draft-ietf-httpapi-idempotency-key-header) the reply is kept in the same
 * transaction, and a retry gets it again.
 */
export async function write<O extends Operation>(
  context: Context,
  request: Request<O>,
  work: (tx: Tx) => Promise<Reply<O>>,
): Promise<Reply<O>> {
  const dry = (request.input.query as { dry_run?: boolean } | undefined)?.dry_run === true;
  const key = request.headers['idempotency-key'];
  try {
    return await transaction(context.db, async (tx) => {
      if (dry) throw new DryRun(await work(tx));
      if (typeof key !== 'string') return await work(tx);
      return await once(tx, actor(request.caller), key, request, () => work(tx));
    });
  } catch (error) {
    if (error instanceof DryRun) return error.reply as Reply<O>;
    throw error;
  }
}

async function once<O extends Operation>(
  tx: Tx,
  who: string,
  key: string,
  request: Request<O>,
  work: () => Promise<Reply<O>>,
): Promise<Reply<O>> {
  if (key.length > 200) throw new Problem('invalid', 'Idempotency-Key is longer than 200 characters');
  const { operation, input } = request;
  const { params, query } = input;
  const digest = createHash('sha256')
    .update(JSON.stringify([operation, params, query]))
    .update(request.raw)
    .digest('hex');
  const lock = await sql<{ got: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`${who} ${key}`}, 7100)) as got`.execute(tx);
  if (!lock.rows[0]!.got) {
    throw new Problem('in_flight', `a request with Idempotency-Key ${key} is being worked on: wait and ask again`);
  }
  const kept = await tx
    .selectFrom('idempotency')
    .select(['request', 'reply'])
    .where('actor', '=', who)
    .where('key', '=', key)
    .executeTakeFirst();
  if (kept !== undefined) {
    if (kept.request !== digest) {
      throw new Problem('key_reused', `Idempotency-Key ${key} was used for another request: take a new key`);
    }
    return kept.reply as Reply<O>;
  }
  const reply = await work();
  await tx
    .insertInto('idempotency')
    .values({ actor: who, key, request: digest, status: 200, reply: JSON.stringify(reply ?? null) })
    .execute();
  return reply;
}
