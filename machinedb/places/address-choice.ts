import { sql } from 'kysely';
import type { Demand } from '../../shared/resolve.ts';
import type { Tx } from '../db.ts';
import { refusal } from './asked.ts';
import { networkText } from './nearest.ts';
import { NodesRefused } from './refused.ts';

/**
 * The lowest free address. The lowest one is the first of the network, or follows one that is taken, so that only those
 * have to be looked at: an IPv6 network costs no more than an IPv4 one. Nothing follows the highest: there may be no such address.
 */
export async function firstFree(tx: Tx, demand: Demand, after: string | undefined): Promise<string> {
  const key = demand.network;
  const { rows } = await sql<{ cidr: string; address: string | null }>`
    with net as (
      select cidr::inet as cidr, gateway, masklen(cidr) >= case family(cidr) when 4 then 31 else 127 end as tiny,
        coalesce(${after ?? null}::inet, host(network(cidr))::inet) as low, host(broadcast(cidr))::inet as high
      from network where key = ${key}
    ), candidate as (
      select case when tiny and ${after ?? null}::inet is null then low else low + 1 end as address from net where low < high or tiny and ${after ?? null}::inet is null
      union select a.address + 1 from allocation a, net where a.address >= net.low and a.address < net.high
      union select gateway + 1 from net where gateway >= low and gateway < high
      union select last + 1 from network_reserved, net where network = ${key} and last >= low and last < high
    ), free as (
      select c.address from candidate c, net
      where c.address <<= net.cidr and not exists (select from allocation a where a.address = c.address)
        and c.address is distinct from net.gateway
        and not exists (select from network_reserved r where r.network = ${key} and c.address between r.first and r.last)
        and (tiny or family(net.cidr) = 6 or c.address <> net.high)
    )
    select net.cidr::text as cidr, (select host(min(address)) from free) as address from net`.execute(tx);
  const { address, cidr } = rows[0]!;
  if (address !== null) return address;
  throw refusal(
    demand,
    'conflict',
    `network ${networkText(key)} (${cidr}) has no free address: release some, or intend another network`,
  );
}

/** Throws when a node cannot have the address that it asks for, and names who has it. */
export async function checkRequested(tx: Tx, demand: Demand, address: string, node: string): Promise<void> {
  const { rows } = await sql<{
    cidr: string;
    inside: boolean;
    edge: boolean;
    gateway: boolean;
    reserved: string | null;
    holder: string | null;
    state: string | null;
    holder_name: string | null;
  }>`
    select cidr, ${address}::inet <<= cidr as inside, gateway is not distinct from ${address}::inet as gateway,
      (family(cidr) = 4 and masklen(cidr) < 31 and ${address}::inet in (host(network(cidr))::inet, host(broadcast(cidr))::inet)) as edge,
      (select coalesce(r.reason, 'reserved') from network_reserved r where r.network = key and ${address}::inet between r.first and r.last limit 1) as reserved,
      a.node as holder, a.state, coalesce(n.fqdn, n.observed_name) as holder_name
    from network left join allocation a on a.address = ${address}::inet left join node_now n on n.node = a.node
    where key = ${demand.network}`.execute(tx);
  const { cidr, inside, edge, gateway, reserved, holder, state, holder_name } = rows[0]!;
  const network = networkText(demand.network);
  const what = `address ${address}${demand.offset === undefined ? '' : ` (by rack unit, offset ${demand.offset})`}`;
  const invalid = (message: string) => refusal(demand, 'invalid', `${what} ${message}`);
  if (!inside) throw invalid(`is not in network ${network} (${cidr})`);
  if (edge) throw invalid(`is the network or broadcast address of ${network} (${cidr})`);
  if (gateway) throw invalid(`is the gateway of network ${network}`);
  if (reserved !== null) throw invalid(`is in a reserved range of network ${network} (${reserved})`);
  const conflict = (message: string) => refusal(demand, 'conflict', `${what} ${message}`);
  if (state === 'quarantined') throw conflict('was released a short time ago and rests: take another, or wait');
  if (holder === null || holder === node) return;
  const problem = conflict(`belongs to node ${holder_name ?? holder}: take another, or release it there`);
  throw new NodesRefused([{ node, holder, problem }]);
}
