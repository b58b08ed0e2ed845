import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OperatorScope, operatorScopes } from '../../shared/api/row.ts';
import { type Db, type Tx, transaction } from '../db.ts';
import { writeFileDurably } from '../durable-file.ts';
import { append } from '../feed/feed.ts';

export const OPERATOR_PREFIX = 'mdb_';

/** Only this is stored of a token. A plain hash is enough: 256 random bits cannot be guessed from it. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export interface NewToken {
  name: string;
  scopes: readonly OperatorScope[];
  createdBy: string;
  expiresAt?: Date | undefined;
}

/** Makes an operator's token. Its text is answered here and never again. */
export async function createOperatorToken(
  tx: Tx,
  token: NewToken,
): Promise<{ id: string; token: string; createdAt: Date }> {
  const text = `${OPERATOR_PREFIX}${randomBytes(32).toString('base64url')}`;
  const row = await tx
    .insertInto('token')
    .values({
      name: token.name,
      hash: hashToken(text),
      scopes: [...token.scopes],
      created_by: token.createdBy,
      expires_at: token.expiresAt ?? null,
    })
    .returning(['id', 'created_at'])
    .executeTakeFirstOrThrow();
  await append(
    tx,
    [],
    [
      {
        kind: 'token.created',
        subject: 'fleet',
        actor: token.createdBy,
        data: { id: row.id, name: token.name, scopes: token.scopes },
      },
    ],
  );
  return { id: row.id, token: text, createdAt: row.created_at };
}

/**
 * On the first start of a state directory, makes a token with all scopes and keeps it there (mode 0600). A file whose
 * token this database does not know is of another database, and is replaced; a revoked one stays.
 */
export async function ensureOperatorToken(db: Db, stateDirectory: string): Promise<void> {
  const file = join(stateDirectory, 'operator.token');
  if (existsSync(file)) {
    const hash = hashToken(readFileSync(file, 'utf8').trim());
    const known = await db.selectFrom('token').select('id').where('hash', '=', hash).executeTakeFirst();
    if (known !== undefined) return;
  }
  const { token } = await transaction(db, (tx) =>
    createOperatorToken(tx, { name: 'operator', scopes: operatorScopes, createdBy: 'system' }),
  );
  writeFileDurably(file, `${token}\n`, 0o600);
}
