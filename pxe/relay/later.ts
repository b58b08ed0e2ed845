import type { RelayNode } from '../../shared/api/relay.ts';

/**
 * A node as it boots at a time: what a person asked for ends by itself, also while the centre that it was asked of is away.
 *
 * @param now milliseconds since 1970
 */
export function atTime(node: RelayNode, now: number): RelayNode {
  const { later } = node;
  return later === undefined || now < Date.parse(later.at) ? node : { ...node, boot: later.boot };
}
