import { sql } from 'kysely';
import type { Demand } from '../../shared/resolve.ts';
import type { Reader, Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';

export interface AllocationRow {
  address: string;
  network: string;
  node: string | null;
  interface: string;
  label: string;
  state: 'active' | 'orphan' | 'quarantined';
}

/** The addresses that nodes hold. */
export async function readAllocations(db: Reader, nodes: string[]): Promise<AllocationRow[]> {
  return await db
    .selectFrom('allocation')
    .select(['address', 'network', 'node', 'interface', 'label', 'state'])
    .where('node', 'in', nodes)
    .where('state', '<>', 'quarantined')
    .orderBy('address')
    .execute();
}

/** The addresses asked for that a node does not hold yet. */
export function lacking(demands: Demand[], held: AllocationRow[]): Demand[] {
  return demands.filter((demand) => !held.some((row) => isHeldFor(row, demand)));
}

/** Makes whoever gives addresses of these networks wait for this transaction: in the order of names, for all of them. */
export async function lockNetworks(tx: Tx, names: string[]): Promise<void> {
  if (names.length === 0) return;
  await tx.selectFrom('network').select('name').where('name', 'in', names).orderBy('name').forUpdate().execute();
}

/**
 * Makes a node hold exactly the addresses that its intent asks for. One it holds stays, whatever else changes; one it no
 * longer asks for becomes an orphan, which still belongs to it until released. Throws when an address cannot be had.
 * The networks of those it lacks are locked by the caller.
 *
 * @param lastGiven network → first free address given before in this transaction: the next one is above it
 */
export async function allocate(
  tx: Tx,
  node: string,
  demands: Demand[],
  held: AllocationRow[],
  lastGiven: Map<string, string>,
): Promise<AllocationRow[]> {
  const kept: AllocationRow[] = [];
  for (const demand of demands) {
    const fits = (row: AllocationRow) => isHeldFor(row, demand);
    const own = held.find((row) => fits(row) && row.state === 'active') ?? held.find(fits);
    kept.push(own ?? (await give(tx, node, demand, lastGiven)));
  }
  const keep = new Set(kept.map(({ address }) => address));
  // Orphans first: the place of an address in its interface is then free for the one that follows it.
  const left = held.filter(({ address }) => !keep.has(address));
  await setState(
    tx,
    left.filter(({ state }) => state === 'active'),
    'orphan',
  );
  await setState(
    tx,
    kept.filter(({ state }) => state === 'orphan'),
    'active',
  );
  return [
    ...kept.map((row) => ({ ...row, state: 'active' as const })),
    ...left.map((row) => ({ ...row, state: 'orphan' as const })),
  ];
}

function isHeldFor(row: AllocationRow, demand: Demand): boolean {
  const same = row.network === demand.network && row.interface === demand.interface && row.label === demand.label;
  return same && (demand.address === undefined || row.address === demand.address);
}

async function setState(tx: Tx, rows: AllocationRow[], state: 'active' | 'orphan'): Promise<void> {
  if (rows.length === 0) return;
  await tx
    .updateTable('allocation')
    .set({ state, since: sql<Date>`clock_timestamp()` })
    .where(
      'address',
      'in',
      rows.map(({ address }) => address),
    )
    .execute();
}

interface Network {
  name: string;
  cidr: string;
  gateway: string | null;
}

async function give(tx: Tx, node: string, demand: Demand, lastGiven: Map<string, string>): Promise<AllocationRow> {
  const network = await tx
    .selectFrom('network')
    .select(['name', 'cidr', 'gateway'])
    .where('name', '=', demand.network)
    .executeTakeFirst();
  if (network === undefined) {
    throw new Problem(
      'invalid',
      `there is no network "${demand.network}": machinedb network list shows them, machinedb network put makes one`,
    );
  }
  const address =
    demand.address === undefined
      ? await firstFree(tx, network, lastGiven.get(network.name))
      : await checked(tx, network, demand.address, node);
  if (demand.address === undefined) lastGiven.set(network.name, address);
  const row = { address, network: network.name, node, interface: demand.interface, label: demand.label };
  await tx
    .updateTable('allocation')
    .set({ state: 'orphan' })
    .where('node', '=', node)
    .where('network', '=', network.name)
    .where('interface', '=', demand.interface)
    .where('label', '=', demand.label)
    .where('state', '=', 'active')
    .execute();
  await tx
    .insertInto('allocation')
    .values({ ...row, requested: demand.address !== undefined })
    // Its own orphan, under another interface or label, is taken back.
    .onConflict((conflict) =>
      conflict.column('address').doUpdateSet({ ...row, state: 'active', since: sql<Date>`clock_timestamp()` }),
    )
    .execute();
  return { ...row, state: 'active' };
}

/**
 * The lowest free address. The lowest one is the first of the network, or follows one that is taken, so that only those
 * have to be looked at: an IPv6 network costs no more than an IPv4 one. Nothing follows the highest: there may be no such address.
 */
async function firstFree(tx: Tx, network: Network, after: string | undefined): Promise<string> {
  const { rows } = await sql<{ address: string | null }>`
    with net as (
      select cidr::inet as cidr, masklen(cidr) >= case family(cidr) when 4 then 31 else 127 end as tiny,
        coalesce(${after ?? null}::inet, host(network(cidr))::inet) as low, host(broadcast(cidr))::inet as high
      from network where name = ${network.name}
    ), candidate as (
      select case when tiny and ${after ?? null}::inet is null then low else low + 1 end as address from net where low < high or tiny and ${after ?? null}::inet is null
      union select a.address + 1 from allocation a, net where a.address >= net.low and a.address < net.high
      union select gateway + 1 from network, net where name = ${network.name} and gateway >= low and gateway < high
      union select last + 1 from network_reserved, net where network = ${network.name} and last >= low and last < high
    )
    select host(c.address) as address from candidate c, net
    where c.address <<= net.cidr and not exists (select from allocation a where a.address = c.address)
      and c.address is distinct from ${network.gateway}::inet
      and not exists (select from network_reserved r where r.network = ${network.name} and c.address between r.first and r.last)
      and (tiny or family(net.cidr) = 6 or c.address <> net.high)
    order by c.address limit 1`.execute(tx);
  const address = rows[0]?.address;
  if (address == null) {
    throw new Problem(
      'conflict',
      `network ${network.name} (${network.cidr}) has no free address: release some, or intend another network`,
    );
  }
  return address;
}

async function checked(tx: Tx, network: Network, address: string, node: string): Promise<string> {
  const { rows } = await sql<{
    inside: boolean;
    edge: boolean;
    reserved: string | null;
    holder: string | null;
    state: string | null;
    holder_name: string | null;
  }>`
    select ${address}::inet <<= cidr as inside,
      (family(cidr) = 4 and masklen(cidr) < 31 and ${address}::inet in (host(network(cidr))::inet, host(broadcast(cidr))::inet)) as edge,
      (select coalesce(r.reason, 'reserved') from network_reserved r where r.network = name and ${address}::inet between r.first and r.last limit 1) as reserved,
      a.node as holder, a.state, coalesce(n.fqdn, n.observed_name) as holder_name
    from network left join allocation a on a.address = ${address}::inet left join node_now n on n.node = a.node
    where name = ${network.name}`.execute(tx);
  const { inside, edge, reserved, holder, state, holder_name } = rows[0]!;
  if (!inside) throw new Problem('invalid', `address ${address} is not in network ${network.name} (${network.cidr})`);
  if (edge)
    throw new Problem(
      'invalid',
      `address ${address} is the network or broadcast address of ${network.name} (${network.cidr})`,
    );
  if (network.gateway === address)
    throw new Problem('invalid', `address ${address} is the gateway of network ${network.name}`);
  if (reserved !== null)
    throw new Problem('invalid', `address ${address} is in a reserved range of network ${network.name} (${reserved})`);
  if (state === 'quarantined')
    throw new Problem('conflict', `address ${address} was released a short time ago and rests: take another, or wait`);
  if (holder !== null && holder !== node) {
    throw new Problem(
      'conflict',
      `address ${address} belongs to node ${holder_name ?? holder}: take another, or release it there`,
    );
  }
  return address;
}
