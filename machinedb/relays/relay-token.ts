import { randomBytes } from 'node:crypto';
import type { Caller } from '../context.ts';
import type { Reader, Tx } from '../db.ts';
import { hashToken } from '../trust/operator-token.ts';

export const RELAY_PREFIX = 'mdbr_';

/** Makes a relay's credential. Its text is answered here and never again. */
export async function createRelayToken(tx: Tx, relay: { name: string; site: string; createdBy: string }) {
  const token = `${RELAY_PREFIX}${randomBytes(32).toString('base64url')}`;
  const row = await tx
    .insertInto('relay')
    .values({ name: relay.name, site: relay.site, hash: hashToken(token), created_by: relay.createdBy })
    .returningAll()
    .executeTakeFirstOrThrow();
  return { row, token };
}

/** The relay that a token is of; undefined when it is unknown or revoked. */
export async function relayCaller(db: Reader, token: string): Promise<Caller | undefined> {
  const row = await db
    .selectFrom('relay')
    .select(['id', 'name', 'site'])
    .where('hash', '=', hashToken(token))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : { kind: 'relay', ...row, token };
}
