import { type Selectable, sql } from 'kysely';
import type { z } from 'zod';
import type { network as networkSchema } from '../../shared/api/places.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Database } from '../schema.ts';

type Network = z.output<typeof networkSchema>;
type Body = Omit<Network, 'name'>;

/** A network row as the API shows it. */
export function toNetwork(
  row: Selectable<Database['network']>,
  reserved: Selectable<Database['network_reserved']>[],
): Network {
  const own = reserved.filter(({ network }) => network === row.name);
  return {
    name: row.name,
    cidr: row.cidr,
    site: row.site ?? undefined,
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

/** Makes or changes a network. Answers it, and the nodes that have addresses of it. Throws what does not fit together. */
export async function putNetwork(tx: Tx, name: string, body: Body): Promise<{ reply: Network; nodes: string[] }> {
  const { reserved = [], ...rest } = body;
  await checkNetwork(tx, body);
  // Of two networks that would overlap, the second sees the first.
  await sql`select pg_advisory_xact_lock(7100, 5)`.execute(tx);
  const early = await holders(tx, name);
  await sql`select from node where id = any (${early}::uuid[]) order by id for update`.execute(tx);
  const values = {
    cidr: rest.cidr,
    site: rest.site ?? null,
    vlan: rest.vlan ?? null,
    gateway: rest.gateway ?? null,
    dns: rest.dns ?? [],
    domain: rest.domain ?? null,
    description: rest.description ?? null,
  };
  const row = await tx
    .insertInto('network')
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .returningAll()
    .executeTakeFirstOrThrow();
  // The row is ours now: nobody gets an address of it any more until the commit.
  const nodes = await holders(tx, name);
  // Those that got one meanwhile come out of order: without waiting, or all anew.
  await sql`select from node where id = any (${nodes}::uuid[]) for update nowait`.execute(tx);
  await checkAddresses(tx, name, body);
  await tx.deleteFrom('network_reserved').where('network', '=', name).execute();
  const ranges = reserved.map(({ first, last, reason }) => ({ network: name, first, last, reason: reason ?? null }));
  if (ranges.length > 0) await tx.insertInto('network_reserved').values(ranges).execute();
  return { reply: toNetwork(row, ranges), nodes };
}

async function holders(tx: Tx, network: string): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    select distinct node from allocation where network = ${network} and node is not null`.execute(tx);
  return rows.map(({ node }) => node);
}

async function checkNetwork(tx: Tx, { cidr, gateway, site, reserved = [] }: Body): Promise<void> {
  const { rows } = await sql<{ proper: string; inside: boolean }>`
    select network(${cidr}::inet)::text as proper, coalesce(${gateway ?? null}::inet << ${cidr}::inet, true) as inside`.execute(
    tx,
  );
  const { proper, inside } = rows[0]!;
  if (proper !== cidr)
    throw new Problem('invalid', `cidr ${cidr} has bits set behind its prefix length: write ${proper}`);
  if (!inside) throw new Problem('invalid', `gateway ${gateway} is not in ${cidr}`);
  if (site !== undefined) {
    const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
    if (known === undefined) throw new Problem('invalid', `there is no site "${site}": machinedb site list shows them`);
  }
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
async function checkAddresses(tx: Tx, name: string, { cidr, gateway, site }: Body): Promise<void> {
  const { rows: outside } = await sql<{ address: string }>`
    select host(address) as address from allocation where network = ${name} and not address <<= ${cidr}::inet limit 1`.execute(
    tx,
  );
  if (outside[0] !== undefined)
    throw new Problem(
      'conflict',
      `address ${outside[0].address} of network ${name} is given out and would not be in ${cidr}`,
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
  const { rows: elsewhere } = await sql<{ holder: string; address: string }>`
    select coalesce(n.fqdn, n.observed_name, n.node::text) as holder, host(a.address) as address
    from allocation a join node_now n on n.node = a.node
    where a.network = ${name} and a.state = 'active' and n.site is distinct from ${site ?? null}
      and ${site ?? null}::text is not null order by a.address limit 1`.execute(tx);
  if (elsewhere[0] !== undefined) {
    const { holder, address } = elsewhere[0];
    throw new Problem(
      'conflict',
      `node ${holder} has address ${address} of network ${name} and does not stand in site ${site}: give it another network first`,
    );
  }
  const { rows: over } = await sql<{ name: string; cidr: string }>`
    select name, cidr from network where name <> ${name} and cidr && ${cidr}::inet
      and (site is null or ${site ?? null}::text is null or site = ${site ?? null}) order by name limit 1`.execute(tx);
  if (over[0] !== undefined)
    throw new Problem(
      'conflict',
      `${cidr} overlaps network ${over[0].name} (${over[0].cidr}): an address belongs to one network`,
    );
}

/** Throws when an intent, of any layer, takes addresses from a network: the next node of that layer could not have one. */
export async function checkNotIntended(tx: Tx, network: string): Promise<void> {
  const { rows } = await sql<{ subject: string }>`
    select subject from revision
    where side = 'intended' and section = 'network' and upper_inf(valid) and jsonb_path_exists(
      data, '$.interfaces.*.addresses.*.network ? (@ == $name)', jsonb_build_object('name', ${network}::text))
    order by subject limit 1`.execute(tx);
  if (rows[0] !== undefined)
    throw new Problem('conflict', `network "${network}" is intended by ${rows[0].subject}: change that intent first`);
}
