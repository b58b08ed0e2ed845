import { createHash } from 'node:crypto';
import type { Context } from '../context.ts';
import type { Reader, Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Keys } from '../trust/keys.ts';

const PREFIX = 'mdbs_';
const LABEL = 'seed-token';

/** Who may have the documents of a node: the node itself, during one boot. */
export interface SeedCaller {
  node: string;
  provision: number;
}

interface Content extends SeedCaller {
  boot: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/**
 * A token for the documents of a node, good for this boot of it alone: it goes into a URL, where the node's own token must not stand.
 * The first one of an install begins the first boot.
 *
 * @param expiresAt milliseconds since 1970
 */
export async function openSeed(tx: Tx, keys: Keys, node: string, bootId: string, expiresAt: number): Promise<string> {
  const row = await tx
    .selectFrom('node')
    .select(['installed', 'locked_at', 'locked_reason'])
    .where('id', '=', node)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (row.locked_at !== null) throw new Problem('locked', `what cloud-init gets is withheld: ${row.locked_reason}`);
  const boot = createHash('sha256').update(bootId).digest('base64url').slice(0, 16);
  const provision = row.installed;
  await tx
    .insertInto('seed')
    .values({ node, provision, boot })
    .onConflict((conflict) => conflict.columns(['node', 'provision']).doUpdateSet({ boot }))
    .execute();
  return makeToken(keys, { node, provision, boot, expiresAt });
}

/** The node that a token is of. Throws unauthenticated for one that is not ours, of another boot or install, or expired. */
export async function readSeedToken({ db, keys, now }: Context, token: string): Promise<SeedCaller> {
  const content = readToken(keys, token);
  if (content !== undefined && now() <= content.expiresAt && (await holds(db, content))) {
    const { node, provision } = content;
    return { node, provision };
  }
  throw new Problem(
    'unauthenticated',
    'no valid token of a node for this boot: its agent gets one by POST /v1/self/seed; /seed/none/ is for everybody',
  );
}

async function holds(db: Reader, { node, provision, boot }: Content): Promise<boolean> {
  const row = await db
    .selectFrom('node')
    .innerJoin('seed', 'seed.node', 'node.id')
    .select('node.id')
    .where('node.id', '=', node)
    .where('node.level', 'in', ['approved', 'attested'])
    .where('node.state', '<>', 'retired')
    .where('node.revoked_at', 'is', null)
    .where('node.locked_at', 'is', null)
    .whereRef('node.installed', '=', 'seed.provision')
    .where('seed.provision', '=', provision)
    .where('seed.boot', '=', boot)
    .executeTakeFirst();
  return row !== undefined;
}

function makeToken(keys: Keys, { node, provision, boot, expiresAt }: Content): string {
  const text = Buffer.from(JSON.stringify([node, provision, boot, expiresAt])).toString('base64url');
  return `${PREFIX}${text}.${keys.mac(LABEL, text)}`;
}

function readToken(keys: Keys, token: string): Content | undefined {
  if (!token.startsWith(PREFIX)) return undefined;
  const [text = '', mac = ''] = token.slice(PREFIX.length).split('.');
  if (!keys.isMac(LABEL, text, mac)) return undefined;
  const [node, provision, boot, expiresAt] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [
    string,
    number,
    string,
    number,
  ];
  return { node, provision, boot, expiresAt };
}
