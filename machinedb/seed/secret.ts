import { sql } from 'kysely';
import type { Context } from '../context.ts';
import { transaction } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { openSecrets, USER_SECRET } from '../trust/secrets.ts';
import { readSeedNode } from './read.ts';
import type { SeedCaller } from './token.ts';

/** How long a first boot may take: after it, or after cloud-init has phoned home, no secret is handed out. */
const FIRST_BOOT = '1 hour';

/**
 * A secret of a node's intent: once, at its first boot. A value that was put anew meanwhile is another one. Throws not_found otherwise,
 * with the cause.
 */
export async function takeSecret({ db, keys }: Context, caller: SeedCaller, name: string): Promise<string> {
  const { node, provision } = caller;
  return await transaction(db, async (tx) => {
    const seed = await tx
      .selectFrom('seed')
      .select(sql<boolean>`phoned_at is null and opened_at > now() - ${FIRST_BOOT}::interval`.as('first'))
      .where('node', '=', node)
      .where('provision', '=', provision)
      .forUpdate()
      .executeTakeFirst();
    if (seed?.first !== true)
      throw new Problem('not_found', 'the first boot is over: a secret is handed out again after a reinstall');
    const secret = (await readSeedNode(tx, node)).intent.cloud_init?.secrets?.[name]?.secret;
    const newest = secret === undefined ? undefined : (await openSecrets(tx, keys.kek, USER_SECRET + secret))[0];
    if (secret === undefined || newest === undefined)
      throw new Problem(
        'not_found',
        `no secret "${name}" is intended for this node: cloud_init of its intent names them`,
      );
    const { generation } = newest;
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('seed_secret')
      .values({ node, provision, name, secret, generation })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n)
      throw new Problem('not_found', `secret "${name}" was handed out already: machinedb secret put makes it another`);
    const subject = `node/${node}`;
    await append(tx, [], [{ kind: 'seed.secret', subject, actor: subject, data: { name, secret, generation } }]);
    return newest.value.toString('utf8');
  });
}
