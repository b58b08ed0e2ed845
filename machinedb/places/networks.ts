import { type Selectable, sql } from 'kysely';
import type { z } from 'zod';
import type { network as networkSchema } from '../../shared/api/places.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Database } from '../schema.ts';
import { networkKey, networkText, type Scope } from './nearest.ts';

type Network = z.output<typeof networkSchema>;
type Body = Omit<Network, 'name'>;

/** A network row as the API shows it. */
export function toNetwork(
  row: Selectable<Database['network']>,
  reserved: Selectable<Database['network_reserved']>[],
): Network {
  const own = reserved.filter(({ network }) => network === row.key);
  return {
    name: row.name,
    cidr: row.cidr,
    site: row.site ?? undefined,
    rack: row.rack ?? undefined,
    vlan: row.vlan ?? undefined,
    gateway: row.gateway ?? undefined,
    dns: row.dns.length === 0 ? undefined : row.dns,
    domain: row.domain ?? undefined,
    description: row.description ?? undefined,
    reserved:
      own.length === 0
        ? undefined
        : own.map(({ first, last, reason }) => ({ first, last, reason: reason ?? undefined })),
  };
}

/** Keeps networks from coming and going until the transaction ends. */
export async function keepNetworks(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(7100, 5)`.execute(tx);
}

/** Lets nobody else change networks, or give addresses, until the transaction ends. */
export async function lockAllNetworks(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(7100, 5)`.execute(tx);
}

/**
 * Makes or changes a network of the fleet, a site or a rack. Answers it, and the nodes that it may matter to. Throws what
 * does not fit together.
 */
export async function putNetwork(
  tx: Tx,
  name: string,
  scope: Scope,
  body: Omit<Body, keyof Scope>,
): Promise<{ reply: Network; nodes: string[] }> {
  const { reserved = [], ...rest } = body;
  await checkScope(tx, scope);
  await checkNetwork(tx, body);
  const key = networkKey(name, scope);
  // Nodes before networks: whoever writes their intent takes them in the same order.
  const early = await concerned(tx, name, scope);
  await sql`select from node where id = any (${early}::uuid[]) order by id for update`.execute(tx);
  await lockAllNetworks(tx);
  const values = {
    cidr: rest.cidr,
    vlan: rest.vlan ?? null,
    gateway: rest.gateway ?? null,
    dns: rest.dns ?? [],
    domain: rest.domain ?? null,
    description: rest.description ?? null,
  };
  const row = await tx
    .insertInto('network')
    .values({ name, site: scope.site ?? null, rack: scope.rack ?? null, ...values })
    .onConflict((conflict) => conflict.column('key').doUpdateSet(values))
    .returningAll()
    .executeTakeFirstOrThrow();
  const nodes = await concerned(tx, name, scope);
  // Those that came to it meanwhile come out of order: without waiting, or all anew.
  await sql`select from node where id = any (${nodes}::uuid[]) for update nowait`.execute(tx);
  await checkAddresses(tx, key, { ...body, ...scope });
  await tx.deleteFrom('network_reserved').where('network', '=', key).execute();
  const ranges = reserved.map(({ first, last, reason }) => ({ network: key, first, last, reason: reason ?? null }));
  if (ranges.length > 0) await tx.insertInto('network_reserved').values(ranges).execute();
  return { reply: toNetwork(row, ranges), nodes };
}

/** The nodes in a scope that have an address of a network of that name, or cannot have one that they ask for. */
async function concerned(tx: Tx, name: string, { site, rack }: Scope): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    select n.node from node_now n
    where (${site ?? null}::text is null or n.site = ${site ?? null})
      and (${rack ?? null}::text is null or n.rack = ${rack ?? null})
      and (exists (select from allocation a join network w on w.key = a.network where a.node = n.node and w.name = ${name})
        or exists (select from finding f where f.node = n.node and f.section = 'network' and f.severity = 'error'
          and f.path like '/interfaces/%/addresses/%'))
    union select node from allocation where network = ${networkKey(name, { site, rack })} and node is not null`.execute(
    tx,
  );
  return rows.map(({ node }) => node);
}

/** Throws when there is no such place. */
export async function checkScope(tx: Tx, { site, rack }: Scope): Promise<void> {
  if (rack !== undefined && site === undefined)
    throw new Problem('invalid', `rack ${rack} belongs to a site: give the site, too`);
  if (site === undefined) return;
  const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
  if (known === undefined) throw new Problem('invalid', `there is no site "${site}": machinedb site list shows them`);
  if (rack === undefined) return;
  const stands = tx.selectFrom('rack').select('name').where('site', '=', site).where('name', '=', rack);
  if ((await stands.executeTakeFirst()) === undefined)
    throw new Problem('invalid', `there is no rack "${rack}" in site "${site}": machinedb rack list shows them`);
}

async function checkNetwork(tx: Tx, { cidr, gateway, reserved = [] }: Body): Promise<void> {
  const { rows } = await sql<{ proper: string; inside: boolean }>`
    select network(${cidr}::inet)::text as proper, coalesce(${gateway ?? null}::inet << ${cidr}::inet, true) as inside`.execute(
    tx,
  );
  const { proper, inside } = rows[0]!;
  if (proper !== cidr)
    throw new Problem('invalid', `cidr ${cidr} has bits set behind its prefix length: write ${proper}`);
  if (!inside) throw new Problem('invalid', `gateway ${gateway} is not in ${cidr}`);
  for (const { first, last } of reserved) {
    const { rows: range } = await sql<{ good: boolean }>`
      select ${first}::inet <= ${last}::inet and ${first}::inet <<= ${cidr}::inet and ${last}::inet <<= ${cidr}::inet as good`.execute(
      tx,
    );
    if (!range[0]!.good)
      throw new Problem('invalid', `reserved range ${first}-${last} is not in ${cidr}, or is the wrong way round`);
  }
}

/** Throws when a network contradicts the addresses that are given out, or lies over another one. */
async function checkAddresses(tx: Tx, key: string, { cidr, gateway, site }: Body): Promise<void> {
  const { rows: outside } = await sql<{ address: string }>`
    select host(address) as address from allocation where network = ${key} and not address <<= ${cidr}::inet limit 1`.execute(
    tx,
  );
  if (outside[0] !== undefined)
    throw new Problem(
      'conflict',
      `address ${outside[0].address} of network ${networkText(key)} is given out and would not be in ${cidr}`,
    );
  const { rows: taken } = await sql<{ holder: string | null }>`
    select coalesce(n.fqdn, n.observed_name, a.node::text) as holder
    from allocation a left join node_now n on n.node = a.node where a.address = ${gateway ?? null}::inet`.execute(tx);
  if (taken[0] !== undefined)
    throw new Problem(
      'conflict',
      taken[0].holder === null
        ? `address ${gateway} was released a short time ago and rests: take another gateway, or wait`
        : `address ${gateway} is given to ${taken[0].holder}: take another gateway, or release it there first`,
    );
  const { rows: over } = await sql<{ key: string; cidr: string }>`
    select key, cidr from network where key <> ${key} and cidr && ${cidr}::inet
      and (site is null or ${site ?? null}::text is null or site = ${site ?? null}) order by key limit 1`.execute(tx);
  if (over[0] !== undefined)
    throw new Problem(
      'conflict',
      `${cidr} overlaps network ${networkText(over[0].key)} (${over[0].cidr}): an address belongs to one network`,
    );
}

/**
 * Throws when an intent, of any layer, takes addresses from networks of this name and there is no other: the next node of
 * that layer could not have one.
 */
export async function checkNotIntended(tx: Tx, name: string, key: string): Promise<void> {
  const others = tx.selectFrom('network').select('key').where('name', '=', name).where('key', '<>', key);
  if ((await others.executeTakeFirst()) !== undefined) return;
  const { rows } = await sql<{ subject: string }>`
    select subject from revision
    where side = 'intended' and section = 'network' and upper_inf(valid) and jsonb_path_exists(
      data, '$.interfaces.*.addresses.*.network ? (@ == $name)', jsonb_build_object('name', ${name}::text))
    order by subject limit 1`.execute(tx);
  if (rows[0] !== undefined)
    throw new Problem('conflict', `network "${name}" is intended by ${rows[0].subject}: change that intent first`);
}
