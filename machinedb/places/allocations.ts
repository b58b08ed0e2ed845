import { sql } from 'kysely';
import type { Demand } from '../../shared/resolve.ts';
import { Overtaken, type Reader, type Tx } from '../db.ts';
import { checkRequested, firstFree } from './address-choice.ts';
import { demandPath, refusal } from './asked.ts';

export interface AllocationRow {
  address: string;
  /** Key of the row that it is from. */
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
export function lacking(asked: Demand[], held: AllocationRow[]): Demand[] {
  return asked.filter((demand) => !held.some((row) => isHeldFor(row, demand)));
}

/**
 * Makes whoever gives addresses of these networks wait for this transaction: in the order of keys, for all of them. Those of
 * other sites that lie over them count, too: an address is given out once.
 */
export async function lockNetworks(tx: Tx, keys: string[]): Promise<void> {
  if (keys.length === 0) return;
  await sql`
    select from network where exists (select from network w where w.key = any (${keys}) and w.cidr && network.cidr)
    order by key for update`.execute(tx);
}

/**
 * Makes a node hold exactly the addresses that its intent asks for. One it holds stays, whatever else changes; one it no
 * longer asks for becomes an orphan, which still belongs to it until released. Throws when an address cannot be had.
 * The networks of those it lacks are locked by the caller.
 *
 * @param asked `network` is the key of the row that an address is taken from
 * @param lastGiven key → first free address given before in this transaction: the next one is above it
 */
export async function allocate(
  tx: Tx,
  node: string,
  asked: Demand[],
  held: AllocationRow[],
  lastGiven: Map<string, string>,
): Promise<AllocationRow[]> {
  const rows = new Map<Demand, AllocationRow>();
  for (const demand of asked) {
    const fits = (row: AllocationRow) => isHeldFor(row, demand);
    const own = held.find((row) => fits(row) && row.state === 'active') ?? held.find(fits);
    if (own !== undefined) rows.set(demand, own);
  }
  for (const demand of asked.filter((each) => !rows.has(each))) {
    const twice = [...rows.values()].find(({ address }) => address === demand.address);
    if (twice !== undefined)
      throw refusal(
        demand,
        'conflict',
        `address ${twice.address} is asked for by ${demandPath(twice)} of node ${node}, too: it goes to one interface once`,
      );
    rows.set(demand, await give(tx, node, demand, lastGiven));
  }
  // In the order of the intent, whichever was given first: the first gateway is the default route.
  const kept = asked.map((demand) => rows.get(demand)!);
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

/** Whether an address that a node holds is the one it asks for here. */
export function isHeldFor(row: AllocationRow, demand: Demand): boolean {
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

async function give(tx: Tx, node: string, demand: Demand, lastGiven: Map<string, string>): Promise<AllocationRow> {
  const { network } = demand;
  const address = demand.address ?? (await firstFree(tx, demand, lastGiven.get(network)));
  if (demand.address === undefined) lastGiven.set(network, address);
  else await checkRequested(tx, demand, address, node);
  const row = { address, network, node, interface: demand.interface, label: demand.label };
  await tx
    .updateTable('allocation')
    .set({ state: 'orphan' })
    .where('node', '=', node)
    .where('network', '=', network)
    .where('interface', '=', demand.interface)
    .where('label', '=', demand.label)
    .where('state', '=', 'active')
    .execute();
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('allocation')
    .values({ ...row, requested: demand.address !== undefined })
    // Its own orphan, under another interface or label, is taken back.
    .onConflict((conflict) =>
      conflict
        .column('address')
        .doUpdateSet({ ...row, state: 'active', since: sql<Date>`clock_timestamp()` })
        .where('allocation.node', '=', node),
    )
    .executeTakeFirstOrThrow();
  // Somebody gave it without the networks' locks: it is never taken from another node.
  if (numInsertedOrUpdatedRows !== 1n) throw new Overtaken();
  return { ...row, state: 'active' };
}
