import { plain } from './render.ts';

/** What a reply says of silent sites, a line each: it comes before the single nodes' troubles. */
export function outagesText(reply: unknown): string[] {
  const { sites_unreachable: sites = [] } = (reply ?? {}) as {
    sites_unreachable?: { site: string; since: string; nodes: number }[];
  };
  return sites.map(
    ({ site, since, nodes }) =>
      `site ${plain(site)} is silent since ${plain(since)}, ${nodes} nodes at once: look at its network, and at ours, first`,
  );
}
