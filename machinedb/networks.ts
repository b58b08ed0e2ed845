import { type Selectable, sql } from 'kysely';
import type { z } from 'zod';
import type { network as networkSchema } from '../shared/api/places.ts';
import type { Tx } from './db.ts';
import { Problem } from './problem.ts';
import type { Database } from './schema.ts';

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
  await checkNetwork(tx, name, body);
  const { rows } = await sql<{ id: string }>`
    select id from node where id in (select node from allocation where network = ${name}) order by id for update`.execute(
    tx,
  );
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
  await tx.deleteFrom('network_reserved').where('network', '=', name).execute();
  const ranges = reserved.map(({ first, last, reason }) => ({ network: name, first, last, reason: reason ?? null }));
  if (ranges.length > 0) await tx.insertInto('network_reserved').values(ranges).execute();
  return { reply: toNetwork(row, ranges), nodes: rows.map(({ id }) => id) };
}

async function checkNetwork(tx: Tx, name: string, { cidr, gateway, site, reserved = [] }: Body): Promise<void> {
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
  const { rows: outside } = await sql<{ address: string }>`
    select host(address) as address from allocation where network = ${name} and not address <<= ${cidr}::inet limit 1`.execute(
    tx,
  );
  if (outside[0] !== undefined)
    throw new Problem(
      'conflict',
      `address ${outside[0].address} of network ${name} is given out and would not be in ${cidr}`,
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
