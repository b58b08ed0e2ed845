import type { Explanation } from '../../shared/api/intent.ts';
import { explain } from '../../shared/explain.ts';
import { type Layer, mergeLayers } from '../../shared/merge.ts';
import { type Demand, demands, type Intent } from '../../shared/resolve.ts';
import type { Reader } from '../db.ts';
import { type AllocationRow, readAllocations } from '../places/allocations.ts';
import { askedOf, demandPath } from '../places/asked.ts';
import { type Networks, parseNetworkKey, readNetworks } from '../places/nearest.ts';

type Gives = NonNullable<Explanation['gives']>;

/** Every value of a node's intent with its layer; at the network of an address, what it gives the node now. */
export async function explainNode(db: Reader, node: string, layers: Layer[]): Promise<Explanation[]> {
  const intent = mergeLayers(layers) as Intent;
  const wants = demands(intent);
  if (wants.length === 0) return explain(layers);
  const gives = givesOf(node, intent, await readNetworks(db), await readAllocations(db, [node]));
  return explain(layers).map((entry) => {
    const given = gives.get(entry.path);
    return given === undefined ? entry : { ...entry, gives: given };
  });
}

function givesOf(node: string, intent: Intent, networks: Networks, held: AllocationRow[]): Map<string, Gives> {
  const { asked, problems, refused } = askedOf(node, intent, networks);
  const why = new Map([
    ...problems.map(({ path, message }) => [path, message] as const),
    ...refused.flatMap(({ errors }) => errors.map(({ pointer = '', detail }) => [pointer, detail] as const)),
  ]);
  const gives = demands(intent).map((demand) => {
    const from = asked.find((each) => isSame(each, demand));
    const key = from?.network ?? demand.network;
    const own = held.find((row) => row.state === 'active' && row.network === key && isSame(row, demand));
    const problem = why.get(demandPath(demand)) ?? (own === undefined ? 'it has not been given out' : undefined);
    const { name: network, ...scope } = parseNetworkKey(key);
    const how: Gives['how'] = demand.offset !== undefined ? 'unit' : demand.address !== undefined ? 'given' : 'free';
    const cidr = from === undefined ? undefined : networks[key]!.cidr;
    return {
      path: `/network${demandPath(demand)}/network`,
      address: own?.address,
      network,
      ...scope,
      cidr,
      how,
      problem,
    };
  });
  return new Map(gives.map(({ path, ...given }) => [path, given]));
}

function isSame(a: Pick<Demand, 'interface' | 'label'>, b: Pick<Demand, 'interface' | 'label'>): boolean {
  return a.interface === b.interface && a.label === b.label;
}
