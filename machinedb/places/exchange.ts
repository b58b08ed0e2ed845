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
  const json = JSON.stringify([...names].map(([node, fqdn]) => ({ node, fqdn })));
  await sql`
    with x as materialized (select node, fqdn from json_to_recordset(${json}::json) as x(node uuid, fqdn text))
    update node_now n set fqdn = null from x taker, x leaver
    where taker.fqdn = n.fqdn and leaver.node = n.node and leaver.fqdn is distinct from n.fqdn`.execute(tx);
}
