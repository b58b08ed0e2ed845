import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { storeFindings } from '../intent/findings.ts';
import { type Cable, type Heard, judge } from './judge.ts';
import { hears, mayHear, storeNeighbors } from './neighbors.ts';

const BATCH = 200;
const site = sql`n.site`;

/** Looks at the cabling of nodes for which it is due, and of those whose ports they are in. Answers whether there are more. */
export async function checkCabling(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ node: string }>`select node from cabling_due order by node limit ${BATCH}`.execute(tx);
  const due = rows.map(({ node }) => node);
  if (due.length === 0) return false;
  const near = [...new Set([...due, ...(await entangled(tx, due))])].sort();
  // As reports do: nodes first, in the order of ids. What is due from here on is due again.
  await sql`select from node where id = any (${near}::uuid[]) order by id for update`.execute(tx);
  await sql`delete from cabling_due where node = any (${due}::uuid[])`.execute(tx);
  await storeNeighbors(tx, due);
  const all = [...near, ...(await peers(tx, near))];
  const findings = judge(await readCables(tx, all), await readHeard(tx, all));
  const own = findings.filter(({ node }) => near.includes(node));
  await storeFindings(tx, near, own, 'cabling');
  return rows.length === BATCH;
}

/** Nodes that findings may name together with these: whose ports they are in, who is in theirs, and who was named so far. */
async function entangled(tx: Tx, nodes: string[]): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    select got ->> 'peer' as node from finding
    where section = 'cabling' and node = any (${nodes}::uuid[]) and got ->> 'peer' is not null
    union select node::text from finding where section = 'cabling' and got ->> 'peer' = any (${nodes}::text[])
    order by node`.execute(tx);
  return [...new Set([...rows.map(({ node }) => node), ...(await peers(tx, nodes))])];
}

/** Nodes in whose ports these are, and those that are in the ports of these. */
async function peers(tx: Tx, nodes: string[]): Promise<string[]> {
  const { rows } = await sql<{ node: string }>`
    select c.node from neighbor h join cable c on ${mayHear} join node_now n on n.node = c.node
    where h.node = any (${nodes}::uuid[]) and c.node <> h.node and ${hears(site)}
    union
    select h.node from cable c join node_now n on n.node = c.node join neighbor h on ${hears(site)}
    where c.node = any (${nodes}::uuid[]) and c.node <> h.node`.execute(tx);
  return rows.map(({ node }) => node).filter((node) => !nodes.includes(node));
}

async function readCables(tx: Tx, nodes: string[]): Promise<Cable[]> {
  const { rows } = await sql<Cable>`
    select c.node, coalesce(n.fqdn, n.observed_name, n.node::text) as name, c.nic, c.switch, c.port,
      n.observed ? 'lldp' as reports,
      case when n.observed ? 'nics' then c.nic = any (n.macs) or exists (
        select from jsonb_each(n.observed -> 'nics') as p where p.value ->> 'name' = c.nic) end as present
    from cable c join node_now n on n.node = c.node where c.node = any (${nodes}::uuid[]) order by c.node, c.nic`.execute(
    tx,
  );
  return rows;
}

async function readHeard(tx: Tx, nodes: string[]): Promise<Heard[]> {
  const { rows } = await sql<Omit<Heard, 'own' | 'owner'> & { own: string | null; owner: Heard['owner'] | null }>`
    select h.node, coalesce(m.fqdn, m.observed_name, m.node::text) as name, h.interface as nic, h.switch, h.port,
      (select o.nic from cable o where o.node = h.node and o.nic in (h.interface, h.mac) order by o.nic limit 1) as own,
      (select jsonb_build_object('node', c.node, 'name', coalesce(n.fqdn, n.observed_name, n.node::text), 'nic', c.nic)
        from cable c join node_now n on n.node = c.node where ${mayHear} and ${hears(site)} order by c.node limit 1) as owner
    from neighbor h join node_now m on m.node = h.node where h.node = any (${nodes}::uuid[])
    order by h.node, h.interface, h.switch, h.port`.execute(tx);
  return rows.map(({ own, owner, ...row }) => ({ ...row, own: own ?? undefined, owner: owner ?? undefined }));
}
