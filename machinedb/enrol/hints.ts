import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { judgeIdentity, type Known, type Verdict } from '../identity/verdict.ts';
import type { Hardware } from '../schema.ts';
import { identifying, otherByteOrder } from './match.ts';

/** An identifier that so many nodes have says nothing any more: it is a maker's, not a machine's. */
const MANY = 3;
/** Memory modules that a machine is looked up by. The smallest of both lists meet when most modules are the same. */
const DIMMS = 8;
const CANDIDATES = 500;

/** The texts by which a machine is looked up. */
export function hintsOf(hardware: Hardware): string[] {
  const { uuid, serial, board_serial, chassis_serial, macs = [], dimms = [] } = identifying(hardware);
  return [
    ...(uuid === undefined ? [] : [...new Set([`uuid:${uuid}`, `uuid:${otherByteOrder(uuid)}`])]),
    ...(serial === undefined ? [] : [`serial:${serial}`]),
    ...(board_serial === undefined ? [] : [`board:${board_serial}`]),
    ...(chassis_serial === undefined ? [] : [`chassis:${chassis_serial}`]),
    ...macs.map((mac) => `mac:${mac}`),
    ...dimms.slice(0, DIMMS).map((dimm) => `dimm:${dimm}`),
  ].sort();
}

export interface Matches extends Verdict {
  /** Other nodes that share an identifier with it. */
  similar: string[];
}

/**
 * Lets claims that share any of these texts wait for each other until the transaction ends. Always in the order of the
 * locks' numbers, so that two claims never wait for one another.
 */
export async function lockHints(tx: Tx, hints: string[]): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(7102, key)
    from (select distinct hashtext(hint) as key from unnest(${hints}::text[]) as hint order by key) as keys`.execute(
    tx,
  );
}

/** Which node a machine is, by all that are like it. Call lockHints() before. */
export async function findMatches(tx: Tx, hardware: Hardware): Promise<Matches> {
  const mine = identifying(hardware);
  const { common, sample } = await commonHints(tx, hintsOf(hardware));
  const known = await knownNodes(
    tx,
    hintsOf(hardware).filter((hint) => !common.has(hint)),
    mine.disk,
  );
  const verdict = judgeIdentity(mine, known, common);
  const named = new Set(verdict.candidates.map(({ node }) => node));
  const similar = [...new Set([...known.map(({ id }) => id), ...sample])].filter((id) => !named.has(id));
  return { ...verdict, similar };
}

/** The hints that many nodes have, and some of those nodes. It reads a few rows of each, however many there are. */
async function commonHints(tx: Tx, hints: string[]): Promise<{ common: Set<string>; sample: string[] }> {
  const { rows } = await sql<{ hint: string; nodes: string[] }>`
    select asked.hint, array_agg(has.node) as nodes
    from unnest(${hints}::text[]) as asked(hint)
    cross join lateral (
      select h.node from node_hint h join node n on n.id = h.node
      where h.hint = asked.hint and n.state <> 'retired'
        and not exists (select from quarantine q where q.node = n.id and q.kind = 'claim' and q.closed_at is null)
      limit ${MANY}) as has
    group by asked.hint having count(*) >= ${MANY}`.execute(tx);
  return {
    common: new Set(rows.map(({ hint }) => hint)),
    sample: [...new Set(rows.flatMap(({ nodes }) => nodes))],
  };
}

/** The nodes that have any of these hints or this id; those that share most are looked at first. */
async function knownNodes(tx: Tx, hints: string[], disk: string | undefined): Promise<Known[]> {
  if (hints.length === 0 && disk === undefined) return [];
  const { rows } = await sql<Known>`
    select node.id, node.hardware,
      exists (select from quarantine q where q.node = node.id and q.kind = 'claim' and q.closed_at is null) as quarantined,
      array(select b from node_apart where a = node.id union all select a from node_apart where b = node.id) as apart
    from (
      select node, count(*) as shared from (
        select node from node_hint where hint = any (${hints}::text[])
        union all select ${disk ?? null}::uuid where ${disk ?? null}::uuid is not null) as has
      group by node) as found
    join node on node.id = found.node
    where node.state <> 'retired' and node.merged_into is null
    order by found.shared desc, node.id limit ${CANDIDATES}`.execute(tx);
  return rows.map((row) => ({ ...row, hardware: identifying(row.hardware) }));
}

/** Records what a node can be recognised by, in place of what was recorded before. */
export async function storeHints(tx: Tx, node: string, hardware: Hardware): Promise<void> {
  await tx.deleteFrom('node_hint').where('node', '=', node).execute();
  const rows = hintsOf(hardware).map((hint) => ({ hint, node }));
  if (rows.length > 0) await tx.insertInto('node_hint').values(rows).execute();
}
