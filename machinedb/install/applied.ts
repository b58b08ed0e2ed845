import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';

export interface Applied {
  generation: number;
  outcome: 'same' | 'planned' | 'applied' | 'undone' | 'failed';
  steps: string[];
  reason?: string | undefined;
}

/**
 * Records what became of a wanted state on its node. One that was undone or failed is a finding that says why, until
 * another outcome is told.
 */
export async function storeApplied(
  tx: Tx,
  node: string,
  { generation, outcome, steps, reason }: Applied,
): Promise<void> {
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
  if (outcome === 'same') return;
  const subject = `node/${node}`;
  const data = { generation, steps };
  await append(tx, [], [{ kind: `apply.${outcome}`, subject, actor: subject, reason, data }]);
}
