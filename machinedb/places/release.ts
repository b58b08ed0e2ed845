import { type Selectable, sql } from 'kysely';
import { canonicalIp } from '../../shared/ip.ts';
import type { Network } from '../../shared/sections/network.ts';
import { Overtaken, type Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import type { Database } from '../schema.ts';
import { parseNetworkKey } from './nearest.ts';

type Row = Selectable<Database['allocation']>;

/** An allocation as the API shows it. */
export function toAllocation(row: Row) {
  const { name: network, site, rack } = parseNetworkKey(row.network);
  return {
    address: row.address,
    network,
    site,
    rack,
    node: row.node ?? undefined,
    interface: row.interface,
    label: row.label,
    state: row.state,
    since: row.since.toISOString(),
    until: row.until?.toISOString(),
  };
}

/**
 * Takes an address that nothing intends any more from its node and lets it rest in quarantine, so that what still believes
 * in it (ARP caches, DNS) forgets. Throws while the node still reports the address, unless forced.
 */
export async function releaseAllocation(
  tx: Tx,
  network: string,
  address: string,
  force: boolean,
  quarantineMs: number,
): Promise<{ row: Row; node: string | null }> {
  const rows = tx.selectFrom('network').select('key').where('name', '=', network);
  const given = tx.selectFrom('allocation').selectAll().where('address', '=', address).where('network', 'in', rows);
  const holder = (await given.executeTakeFirst())?.node ?? null;
  // The node before its addresses: whoever writes its intent takes them in the same order.
  if (holder !== null) await tx.selectFrom('node').select('id').where('id', '=', holder).forUpdate().execute();
  const row = await given.forUpdate().executeTakeFirst();
  if (row !== undefined && row.node !== null && row.node !== holder) throw new Overtaken();
  if (row === undefined) throw new Problem('not_found', `address ${address} of network ${network} is not given out`);
  if (row.state === 'active')
    throw new Problem('conflict', `address ${address} is intended for node ${row.node}: change its intent first`);
  if (row.state === 'quarantined') throw new Problem('conflict', `address ${address} is in quarantine already`);
  if (!force && row.node !== null && (await isReported(tx, row.node, row.address))) {
    throw new Problem(
      'conflict',
      `node ${row.node} still reports address ${row.address}: wait until it is gone, or release it with force`,
    );
  }
  const released = await tx
    .updateTable('allocation')
    .set({
      state: 'quarantined',
      node: null,
      since: sql<Date>`now()`,
      until: sql<Date>`now() + make_interval(secs => ${quarantineMs / 1000})`,
    })
    .where('address', '=', address)
    .returningAll()
    .executeTakeFirstOrThrow();
  return { row: released, node: row.node };
}

async function isReported(tx: Tx, node: string, address: string): Promise<boolean> {
  const { observed } = await tx
    .selectFrom('node_now')
    .select('observed')
    .where('node', '=', node)
    .executeTakeFirstOrThrow();
  const { interfaces = {} } = (observed.network ?? {}) as Network;
  const reported = Object.values(interfaces).flatMap(({ addresses = {} }) => Object.keys(addresses));
  // Whatever spelling either has.
  return reported.some((cidr) => canonicalIp(cidr.split('/')[0]!) === canonicalIp(address));
}
