import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { type AllocationRow, isHeldFor } from './allocations.ts';
import type { AskedAddresses } from './asked.ts';

/**
 * Takes from nodes the addresses that they no longer ask for and another node of the same write does: they leave first, so
 * that two change addresses. An address that was left before stays an orphan of its node: it may still be in use there.
 *
 * @param held what the nodes hold; what left is taken out
 */
export async function leaveAddresses(
  tx: Tx,
  asked: Map<string, AskedAddresses>,
  held: Map<string, AllocationRow[]>,
): Promise<void> {
  const wanted = new Set([...asked.values()].flatMap((of) => of.asked.flatMap(({ address }) => address ?? [])));
  const left = [...held].flatMap(([node, rows]) => {
    const own = asked.get(node)!.asked;
    const stays = (row: AllocationRow) =>
      own.some((demand) => isHeldFor(row, demand) || demand.address === row.address);
    return rows.filter((row) => row.state === 'active' && wanted.has(row.address) && !stays(row));
  });
  if (left.length === 0) return;
  const addresses = left.map(({ address }) => address);
  await sql`delete from allocation where address = any (${addresses}::inet[])`.execute(tx);
  for (const { node } of left)
    held.set(
      node!,
      held.get(node!)!.filter(({ address }) => !addresses.includes(address)),
    );
}

/** Takes from nodes the names that they no longer have and another node of the same write gets. */
export async function leaveNames(tx: Tx, names: Map<string, string | undefined>): Promise<void> {
  const taken = [...names.values()].filter((fqdn) => fqdn !== undefined);
  if (taken.length === 0) return;
  // By lists, not by a join: PostgreSQL would read all nodes for it.
  const { rows } = await sql<{ node: string; fqdn: string }>`
    select node, fqdn from node_now where node = any (${[...names.keys()]}::uuid[]) and fqdn = any (${taken})`.execute(
    tx,
  );
  const leavers = rows.filter(({ node, fqdn }) => names.get(node) !== fqdn).map(({ node }) => node);
  if (leavers.length === 0) return;
  await sql`update node_now set fqdn = null where node = any (${leavers}::uuid[])`.execute(tx);
}
