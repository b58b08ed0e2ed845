import { type Demand, demands, type Intent } from '../../shared/resolve.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { storeIntendedMacs, storePlacement } from './placements.ts';

/** Network → the site whose nodes alone get addresses of it; absent: of any. */
export type NetworkSites = Record<string, { site?: string | undefined }>;

/**
 * Stores what intents claim for one node alone, its place and its MACs. Throws when another node has it, or when an
 * address is asked of another site's network.
 *
 * @param moved the nodes whose place is another now
 */
export async function storeClaims(
  tx: Tx,
  intents: Map<string, Intent>,
  moved: string[],
  networks: NetworkSites,
): Promise<void> {
  for (const [node, intent] of intents) checkSites(node, intent, demands(intent), networks);
  for (const node of moved) await storePlacement(tx, node, intents.get(node)!.placement);
  await storeIntendedMacs(tx, new Map([...intents].map(([node, intent]) => [node, macsOf(intent)])));
}

function macsOf(intent: Intent): string[] {
  return Object.values(intent.network?.interfaces ?? {}).flatMap(({ match }) => match?.mac ?? []);
}

/** Throws when a node is to get an address of a network of another site. */
export function checkSites(node: string, intent: Intent, asked: Demand[], networks: NetworkSites): void {
  const stands = intent.placement?.site;
  for (const { network } of asked) {
    const site = networks[network]?.site;
    if (site === undefined || site === stands) continue;
    const where = stands === undefined ? 'has no place' : `stands in site ${stands}`;
    throw new Problem(
      'conflict',
      `network ${network} is for nodes of site ${site}, and node ${node} ${where}: place it there, or take another network`,
    );
  }
}
