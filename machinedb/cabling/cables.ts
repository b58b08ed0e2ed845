import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { dueCabling } from './due.ts';

export interface CableItem {
  node: string;
  nic: string;
  switch: string;
  port: string;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** What a node's port is called here: a MAC in lower case, anything else as it is. */
export const nicKey = (nic: string) => (MAC.test(nic) ? nic.toLowerCase() : nic);

/**
 * Stores cables, all or none: what is plugged over leaves its port first, so that two cables change places. Throws, with the
 * place of each in the request, when a node is not there, or a port is another cable's.
 */
export async function storeCables(tx: Tx, items: CableItem[], actor: string): Promise<void> {
  const json = JSON.stringify(
    items.map((item, i) => ({ ...item, i, node: item.node.toLowerCase(), nic: nicKey(item.nic) })),
  );
  const { rows } = await sql<{ i: number; id: string | null }>`
    select x.i, n.node::text as id from json_to_recordset(${json}::json) as x(i int, node text)
    left join node_now n on n.fqdn = x.node or n.node::text = x.node order by x.i`.execute(tx);
  refuse(
    items,
    rows
      .filter(({ id }) => id === null)
      .map(({ i }) => [i, `there is no node "${items[i]!.node}" by id or intended FQDN`]),
  );
  const ids = new Map(rows.map(({ i, id }) => [i, id!]));
  const nodes = [...new Set(ids.values())];
  const known = JSON.stringify(items.map((item, i) => ({ ...item, i, node: ids.get(i), nic: nicKey(item.nic) })));
  await sql`select from node where id = any (${nodes}::uuid[]) order by id for update`.execute(tx);
  await sql`
    delete from cable c using json_to_recordset(${known}::json) as x(node uuid, nic text)
    where c.node = x.node and c.nic = x.nic`.execute(tx);
  await sql`
    insert into cable (node, nic, switch, port, created_by)
    select node, nic, switch, port, ${actor} from json_to_recordset(${known}::json) as
      x(i int, node uuid, nic text, switch text, port text) order by i on conflict do nothing`.execute(tx);
  const { rows: left } = await sql<{ i: number; holder: string | null; nic: string | null }>`
    select x.i, coalesce(n.fqdn, n.observed_name, c.node::text) as holder, c.nic
    from json_to_recordset(${known}::json) as x(i int, node uuid, nic text, switch text, port text)
    left join cable c on c.switch = x.switch and lower(c.port) = lower(x.port) left join node_now n on n.node = c.node
    where (c.node, c.nic) is distinct from (x.node, x.nic) order by x.i`.execute(tx);
  refuse(
    items,
    left.map(({ i, holder, nic }) => [
      i,
      holder === null
        ? `${items[i]!.nic} of ${items[i]!.node} is there twice: a port has one cable`
        : `port ${items[i]!.port} of switch ${items[i]!.switch} is for ${nic} of ${holder}: a port has one cable`,
    ]),
  );
  await dueCabling(tx, nodes);
}

function refuse(items: unknown[], reasons: [number, string][]): void {
  if (reasons.length === 0) return;
  const errors = reasons.slice(0, 50).map(([i, detail]) => ({ detail, pointer: `/items/${i}` }));
  throw new Problem(
    'conflict',
    `${reasons.length} of ${items.length} cables cannot be had, so none is: ${errors[0]!.detail}`,
    { errors },
  );
}
