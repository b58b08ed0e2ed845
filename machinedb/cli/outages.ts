import { plain } from './render.ts';

interface Outage {
  since: string;
  nodes: number;
}

interface Reply {
  sites_unreachable?: (Outage & { site: string })[];
  /** Sites, where the reply is a list of them. */
  items?: { name?: string; unreachable?: Outage }[];
}

/** What a reply says of silent sites, a line each: it comes before the single nodes' troubles. */
export function outagesText(reply: unknown): string[] {
  const { sites_unreachable, items = [] } = (reply ?? {}) as Reply;
  const listed = items.flatMap(({ name = '', unreachable }) =>
    unreachable === undefined ? [] : [{ site: name, ...unreachable }],
  );
  return (sites_unreachable ?? listed).map(
    ({ site, since, nodes }) =>
      `site ${plain(site)} is silent since ${plain(since)}, ${nodes} nodes at once: look at its network, and at ours, first`,
  );
}
