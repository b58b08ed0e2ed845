import { sql } from 'kysely';
import type { Sibling } from '../../shared/api/drift.ts';
import type { Reader, Tx } from '../db.ts';
import { oddOnes, type TraitSet } from './odd.ts';
import { digestOf, traitsOf } from './traits.ts';

const STEP = 2000;
const NODES_SHOWN = 20;
/** Sets of traits at most that are read of one group, the commonest first: thousands of machines of which no two are alike. */
const SETS = 10_000;

/**
 * Background task: brings what nodes can be compared by up to date, from where it left off in the feed. Answers whether there is more.
 * Its order is that of commits, so nothing is passed over; a part that is read twice gives the same.
 */
export async function followTraits(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ seq: number; subject: string; side: string }>`
    select seq, subject, side from revision where seq > (select seq from trait_cursor) order by seq limit ${STEP}`.execute(
    tx,
  );
  const last = rows.at(-1);
  if (last === undefined) return false;
  const ids = new Set(
    rows.filter(({ side }) => side === 'observed').map(({ subject }) => subject.slice('node/'.length)),
  );
  await storeTraits(tx, [...ids]);
  await sql`update trait_cursor set seq = ${last.seq}`.execute(tx);
  await sql`
    delete from trait_set t where not exists (select from node_trait n where n.digest = t.digest)`.execute(tx);
  return rows.length === STEP;
}

async function storeTraits(tx: Tx, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  // In the order of ids, as writers lock nodes: the rows that are stored below lock them, too.
  await sql`select from node where id = any (${ids}::uuid[]) order by id for key share`.execute(tx);
  const rows = await tx
    .selectFrom('node_now')
    .select(['node', 'observed'])
    .where(sql<boolean>`node = any (${ids}::uuid[])`)
    .execute();
  const found = rows.map(({ node, observed }) => {
    const traits = traitsOf(observed);
    return { node, traits, digest: digestOf(traits) };
  });
  const sets = [...new Map(found.map((each) => [each.digest, each])).values()];
  await sql`
    insert into trait_set (digest, traits)
    select digest, traits from json_to_recordset(${JSON.stringify(sets)}::json) as x(digest text, traits jsonb)
    on conflict do nothing`.execute(tx);
  await sql`
    insert into node_trait (node, digest)
    select node, digest from json_to_recordset(${JSON.stringify(found.map(({ node, digest }) => ({ node, digest })))}::json) as x(node uuid, digest text)
    on conflict (node) do update set digest = excluded.digest where node_trait.digest <> excluded.digest`.execute(tx);
}

export interface SiblingQuery {
  by: 'model' | 'role';
  /** Only this model or role. */
  group?: string | undefined;
  /** Only what this node (its id) is odd in. */
  node?: string | undefined;
  least: number;
  share: number;
  limit: number;
}

/**
 * The odd ones out among machines of a model or a role, the rarest first. Machines that are retired or revoked are no siblings.
 * A few statements for any number of nodes: the first counts distinct sets of traits, which are few.
 */
export async function siblings(
  db: Reader,
  { by, group, node, least, share, limit }: SiblingQuery,
): Promise<{ items: Sibling[]; more: boolean; cut: string[] }> {
  const column = sql.ref(`n.${by}`);
  const member = sql`
    node_trait t join node_now n on n.node = t.node join node on node.id = t.node
    where ${column} is not null and (${group ?? null}::text is null or ${column} = ${group ?? null})
      and (${node ?? null}::uuid is null or ${column} = (select ${sql.ref(by)} from node_now where node = ${node ?? null}::uuid))
      and node.state <> 'retired' and node.revoked_at is null`;
  const { rows } = await sql<{ name: string; digest: string; count: number }>`
    with counted as (select ${column} as name, t.digest, count(*) as count from ${member} group by 1, 2),
    ranked as (select *, sum(count) over (partition by name) as size,
      row_number() over (partition by name order by count desc, digest) as rank from counted)
    select name, digest, count from ranked where size >= ${least} and rank <= ${SETS}`.execute(db);
  const traits = await readTraits(db, [...new Set(rows.map(({ digest }) => digest))]);
  const own = node === undefined ? undefined : await readOwn(db, node);
  const groups = [...Map.groupBy(rows, ({ name }) => name)];
  const cut = groups.filter(([, sets]) => sets.length === SETS).map(([name]) => name);
  const odd = groups
    .flatMap(([name, sets]) =>
      oddOnes(sets.flatMap(withTraits(traits)), { least, share }).map((each) => ({ name, ...each })),
    )
    .filter(({ digests }) => node === undefined || (own !== undefined && digests.includes(own.digest)))
    .sort((a, b) => a.count - b.count || (`${a.name} ${a.path}` < `${b.name} ${b.path}` ? -1 : 1));
  const shown = odd.slice(0, limit);
  const nodes =
    own !== undefined
      ? new Map()
      : await nodesOf(db, by, [
          ...new Set(shown.flatMap(({ name, digests }) => digests.map((digest) => `${digest} ${name}`))),
        ]);
  const items = shown.map(({ digests, ...each }) => {
    const found = own !== undefined ? [own] : digests.flatMap((digest) => nodes.get(`${digest} ${each.name}`) ?? []);
    const first = found.slice(0, NODES_SHOWN);
    return { by, ...each, nodes: first.map(({ id }) => id), names: first.map(({ name }) => name) };
  });
  return { items, more: odd.length > limit, cut };
}

async function readTraits(db: Reader, digests: string[]): Promise<Map<string, TraitSet['traits']>> {
  const rows = await db
    .selectFrom('trait_set')
    .selectAll()
    .where(sql<boolean>`digest = any (${digests}::text[])`)
    .execute();
  return new Map(rows.map(({ digest, traits }) => [digest, traits]));
}

/** A set that went meanwhile is nobody's any more. */
const withTraits =
  (traits: Map<string, TraitSet['traits']>) =>
  ({ digest, count }: { digest: string; count: number }): TraitSet[] => {
    const found = traits.get(digest);
    return found === undefined ? [] : [{ digest, count, traits: found }];
  };

async function readOwn(db: Reader, node: string) {
  return await db
    .selectFrom('node_trait as t')
    .innerJoin('node_now as n', 'n.node', 't.node')
    .select(['t.digest', 'n.node as id', sql<string>`coalesce(n.fqdn, n.observed_name, n.node::text)`.as('name')])
    .where('t.node', '=', node)
    .executeTakeFirst();
}

/** "digest group" → the first of its nodes. */
async function nodesOf(
  db: Reader,
  by: 'model' | 'role',
  keys: string[],
): Promise<Map<string, { id: string; name: string }[]>> {
  const { rows } = await sql<{ key: string; id: string; name: string }>`
    select k.key, m.id, m.name from unnest(${keys}::text[]) as k(key) cross join lateral (
      select node.id, coalesce(n.fqdn, n.observed_name, node.id::text) as name
      from node_trait t join node_now n on n.node = t.node join node on node.id = t.node
      where t.digest = split_part(k.key, ' ', 1) and ${sql.ref(`n.${by}`)} = substr(k.key, length(split_part(k.key, ' ', 1)) + 2)
        and node.state <> 'retired' and node.revoked_at is null
      order by node.id limit ${NODES_SHOWN}) as m`.execute(db);
  const found = new Map<string, { id: string; name: string }[]>();
  for (const { key, id, name } of rows) found.set(key, [...(found.get(key) ?? []), { id, name }]);
  return found;
}
