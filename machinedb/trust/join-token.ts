import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Reader, Tx } from '../db.ts';
import { hashToken } from './operator-token.ts';

export interface NewJoinToken {
  uses: number;
  expiresInS: number;
  by: string;
  site?: string | undefined;
  role?: string | undefined;
}

export interface JoinToken {
  id: string;
  token: string;
  uses_left: number;
  expires_at: Date;
}

/** Makes a token that approves machines which enrol with it. Its text is answered here and never again. */
export async function createJoinToken(db: Reader, options: NewJoinToken): Promise<JoinToken> {
  const token = `mdbj_${randomBytes(32).toString('base64url')}`;
  const row = await db
    .insertInto('join_token')
    .values({
      hash: hashToken(token),
      site: options.site ?? null,
      role: options.role ?? null,
      uses_left: options.uses,
      expires_at: sql<Date>`now() + make_interval(secs => ${options.expiresInS})`,
      created_by: options.by,
    })
    .returning(['id', 'uses_left', 'expires_at'])
    .executeTakeFirstOrThrow();
  return { ...row, token };
}

/** Takes one use of a join token; undefined when it is unknown, expired or used up. */
export async function useJoinToken(
  tx: Tx,
  token: string,
): Promise<{ id: string; site: string | null; role: string | null } | undefined> {
  return await tx
    .updateTable('join_token')
    .set({ uses_left: sql<number>`uses_left - 1` })
    .where('hash', '=', hashToken(token))
    .where('uses_left', '>', 0)
    .where('expires_at', '>', sql<Date>`now()`)
    .returning(['id', 'site', 'role'])
    .executeTakeFirst();
}
