import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { type Part, partChange, partKey, partSections } from './parts.ts';

/** Nodes that one run reads. */
const NODES = 100;

/** A part in a slot, by the places in the feed of the revisions that say when it came and went. */
interface Range extends Part {
  node: string;
  since: number;
  until?: number;
}

/** Makes the parts' history of these nodes anew from their revisions. Lock the nodes before. */
export async function rebuildParts(tx: Tx, nodes: string[]): Promise<void> {
  const { rows } = await sql<{ seq: number; subject: string; section: string; data: unknown }>`
    select seq, subject, section, data from revision
    where subject = any (${nodes.map((node) => `node/${node}`)}) and side = 'observed' and source = 'agent'
      and section = any (${[...partSections]})
    order by seq`.execute(tx);
  const before = new Map<string, unknown>();
  const open = new Map<string, Range>();
  const ranges: Range[] = [];
  for (const { seq, subject, section, data } of rows) {
    const node = subject.slice('node/'.length);
    const key = (part: Part) => JSON.stringify([node, partKey(part), part.slot]);
    const { arrived, left } = partChange(section, before.get(`${subject} ${section}`), data);
    before.set(`${subject} ${section}`, data);
    for (const part of left) {
      const range = open.get(key(part));
      if (range !== undefined) range.until = seq;
      open.delete(key(part));
    }
    for (const part of arrived) {
      const range: Range = { ...part, node, since: seq };
      open.set(key(part), range);
      ranges.push(range);
    }
  }
  await tx.deleteFrom('part_seen').where('node', 'in', nodes).execute();
  await sql`
    insert into part_seen (kind, serial, model, node, slot, since, until)
    select x.kind, x.serial, x.model, x.node, x.slot, since.at, until.at
    from json_to_recordset(${JSON.stringify(ranges)}::json) as
      x(kind text, serial text, model text, node uuid, slot text, since bigint, until bigint)
    join revision since on since.seq = x.since left join revision until on until.seq = x.until
    order by x.since`.execute(tx);
}

/** Reads some of the nodes that were there before parts were followed. Safe twice; does nothing when there are none. */
export async function rebuildOldParts(tx: Tx): Promise<void> {
  const rows = await tx
    .selectFrom('node')
    .select('id')
    .where('parts_built', '=', false)
    .orderBy('id')
    .limit(NODES)
    .forUpdate()
    .execute();
  if (rows.length === 0) return;
  const ids = rows.map(({ id }) => id);
  await rebuildParts(tx, ids);
  await tx.updateTable('node').set({ parts_built: true }).where('id', 'in', ids).execute();
}
