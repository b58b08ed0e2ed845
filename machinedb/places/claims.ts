import type { Intent } from '../../shared/resolve.ts';
import type { Tx } from '../db.ts';
import { storeIntendedMacs, storePlacement } from './placements.ts';

/**
 * Stores what intents claim for one node alone, its place and its MACs. Throws when another node has it.
 *
 * @param moved the nodes whose place is another now
 */
export async function storeClaims(tx: Tx, intents: Map<string, Intent>, moved: string[]): Promise<void> {
  // Who leaves a place leaves it before anybody comes: two may change places.
  if (moved.length > 1) await tx.deleteFrom('placement').where('node', 'in', moved).execute();
  for (const node of moved) await storePlacement(tx, node, intents.get(node)!.placement);
  await storeIntendedMacs(tx, new Map([...intents].map(([node, intent]) => [node, macsOf(intent)])));
}

function macsOf(intent: Intent): string[] {
  return Object.values(intent.network?.interfaces ?? {}).flatMap(({ match }) => match?.mac ?? []);
}
