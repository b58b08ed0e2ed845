import { sql } from 'kysely';
import { mergePatch } from '../../shared/merge.ts';
import type { Tx } from '../db.ts';
import { lockSubjects, writeIntents } from '../intent/intent.ts';
import { readIntents } from '../intent/layers.ts';
import type { Keys } from '../trust/keys.ts';
import { readProposals } from './proposals.ts';

const SAMPLE = 1000;

/** Remembers that a node, which a rule is about to approve, is to get the place that its switch ports tell. */
export async function wishPlace(tx: Tx, node: string, rule: string, confidence: number | null): Promise<void> {
  if (confidence === null) return;
  await sql`
    insert into place_wish (node, rule, confidence) values (${node}, ${rule}, ${confidence})
    on conflict (node) do update set rule = excluded.rule, confidence = excluded.confidence`.execute(tx);
}

/** Gives one node that waits for it the place that its ports tell. Answers whether it did: then there may be more. */
export async function takePlace(tx: Tx, keys: Keys): Promise<boolean> {
  // A person was quicker, or it has its place by now.
  await sql`delete from place_wish w using node_now n where n.node = w.node and n.rack is not null`.execute(tx);
  // A chance order: nodes whose place cannot be had must not keep others from theirs.
  const { rows } = await sql<{ node: string; rule: string; confidence: number }>`
    select w.node, w.rule, w.confidence from place_wish w join node on node.id = w.node
    where node.level <> 'claimed' order by random() limit ${SAMPLE}`.execute(tx);
  if (rows.length === 0) return false;
  const wishes = new Map(rows.map((row) => [row.node, row]));
  const proposals = await readProposals(tx, { nodes: [...wishes.keys()], limit: SAMPLE });
  const sure = proposals.filter(({ node, confidence }) => confidence > 0 && confidence >= wishes.get(node)!.confidence);
  // Two machines cannot be meant by one place: a person has to look.
  const rivals = Map.groupBy(sure, ({ site, rack, unit, face, part }) =>
    JSON.stringify([site, rack, unit, face, part]),
  );
  const order = [...wishes.keys()];
  const [taken] = [...rivals.values()]
    .flatMap((same) => (same.length === 1 ? same : []))
    .sort((a, b) => order.indexOf(a.node) - order.indexOf(b.node));
  if (taken === undefined) return false;
  const { node, site, rack, unit, height, face, part, agree, heard, ports } = taken;
  const subject = `node/${node}`;
  await lockSubjects(tx, [subject]);
  const own = (await readIntents(tx, [subject])).find(({ section }) => section === 'placement')?.data;
  const data = mergePatch(own, JSON.parse(JSON.stringify({ site, rack, unit, height, face, part })));
  await writeIntents(tx, keys, [{ subject, section: 'placement', data, precondition: 'any' }], {
    actor: `rule/${wishes.get(node)!.rule}`,
    reason: `${agree} of ${heard} of its ports are in switch ports of this place (${ports.join(', ')}), and it is free`,
    applied: true,
    event: { kind: 'node.placed', subject, data: { site, rack, unit, agree, heard, ports } },
  });
  return true;
}
