import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';
import { settleTurn } from '../rollout/outcome.ts';

export interface Applied {
  generation: number;
  outcome: 'same' | 'planned' | 'applied' | 'undone' | 'failed';
  steps: string[];
  reason?: string | undefined;
}

/** Records what a node tells of a wanted state. */
export async function storeApplied(tx: Tx, node: string, applied: Applied): Promise<void> {
  await tx.selectFrom('node').select('id').where('id', '=', node).forUpdate().execute();
  const subject = `node/${node}`;
  const stopped = await settleTurn(tx, node, applied);
  await append(tx, [], [...(await findApplied(tx, node, applied, subject)), ...stopped]);
}

/**
 * A wanted state that was undone or failed is a finding that says why, until another outcome is known. Answers the event
 * that records the outcome, for append().
 */
export async function findApplied(
  tx: Tx,
  node: string,
  { generation, outcome, steps, reason }: Applied,
  actor: string,
): Promise<NewEvent[]> {
  const bad = outcome === 'undone' || outcome === 'failed';
  await tx
    .deleteFrom('finding')
    .where('node', '=', node)
    .where('section', '=', 'state')
    .where('path', '=', '/apply')
    .execute();
  if (bad) {
    await sql`
      insert into finding (node, section, path, kind, severity, expected, got, message)
      values (${node}, 'state', '/apply', 'mismatch', 'error', '"applied"', to_jsonb(${outcome}::text),
        ${`generation ${generation} was ${outcome === 'undone' ? 'undone' : 'not applied'}: ${reason ?? 'no cause was told'}. It is tried again when the intent changes`})`.execute(
      tx,
    );
  }
  await countFindings(tx, [node]);
  if (outcome === 'same') return [];
  return [{ kind: `apply.${outcome}`, subject: `node/${node}`, actor, reason, data: { generation, steps } }];
}
