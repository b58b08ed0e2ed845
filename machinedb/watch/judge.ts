/** A site where more than this share of the nodes goes silent at once has a problem of its own, or we have. */
const SITE_SHARE = 0.2;
const SITE_NODES = 5;
/**
 * What falls silent at one moment runs out of its leases within the longest time between two beats, a little more than a third of a
 * lease (see pace()). So long a lease that is over is looked at together with those that follow.
 */
const TOGETHER = 0.36;
/** Leases after a start, a failover or a jump of the clock before which nobody is unreachable: the silence was ours. */
const GRACE = 2;

/** A node whose lease is over, and which nobody has called unreachable yet. Milliseconds. */
export interface Overdue {
  node: string;
  site: string | null;
  leaseMs: number;
  /** Since the lease was over. */
  overdueMs: number;
}

/** What is known at one moment, by one clock. */
export interface Situation {
  /** How long daemons have been listening without a break, milliseconds. */
  listeningMs: number;
  /** How long ago the newest heartbeat of all came, milliseconds; undefined: there was none. */
  newestMs: number | undefined;
  /** The longest lease that was given, milliseconds. */
  leaseMs: number;
  /** It was said that nobody is heard. */
  silent: boolean;
  /** Site → nodes whose lease is not over. */
  alive: Map<string | null, number>;
  overdue: Overdue[];
  /** Nodes that are heard, and are not known as reachable. */
  heard: { node: string; site: string | null }[];
  /** Sites that are known as unreachable. */
  outages: Map<string, Outage>;
}

export interface Outage {
  /** Those that are silent since then, and those of them that are heard now. */
  nodes: string[];
  /** How long so many have been back that it is hardly the site any more, milliseconds; undefined: they are not. */
  returningMs: number | undefined;
}

/** What is to be said. Each node is in one place only. */
export interface Verdict {
  /** Nobody at all is heard, and nothing is said of single nodes or sites. */
  silent: boolean;
  lost: string[];
  back: string[];
  sites: SiteVerdict[];
}

export interface SiteVerdict {
  site: string;
  /** begins, goes on, returns: the site is unreachable, in the last case most of it no longer; ends: it is not any more. */
  phase: 'begins' | 'goes on' | 'returns' | 'ends';
  lost: string[];
  back: string[];
  /** Ends: nodes that did not come back with it, and are lost by themselves now. */
  left: string[];
}

/** Who is unreachable: single nodes, a site as a whole, or ourselves. Decides only; time is in the situation. */
export function judge(now: Situation): Verdict {
  const silent = isSilent(now);
  const verdict: Verdict = { silent, lost: [], back: [], sites: [] };
  const overdue = Map.groupBy(silent ? [] : now.overdue.filter((each) => isOver(each, now)), ({ site }) => site);
  const heard = Map.groupBy(now.heard, ({ site }) => site);
  for (const site of new Set([...overdue.keys(), ...heard.keys(), ...now.outages.keys()])) {
    const [gone, back] = [overdue.get(site) ?? [], (heard.get(site) ?? []).map(({ node }) => node)];
    const alive = now.alive.get(site) ?? 0;
    const outage = site === null ? undefined : now.outages.get(site);
    const fellWithIt = new Set(outage?.nodes);
    verdict.back.push(...back.filter((node) => !fellWithIt.has(node)));
    if (site !== null && outage !== undefined)
      verdict.sites.push(goOn(site, outage, gone, new Set(back), { alive, leaseMs: now.leaseMs }));
    else if (site !== null && isWhole(gone.length, alive))
      verdict.sites.push({ site, phase: 'begins', lost: gone.map(({ node }) => node), back: [], left: [] });
    else verdict.lost.push(...gone.filter((each) => isAlone(each, gone.length + alive)).map(({ node }) => node));
  }
  return verdict;
}

/** Every one of some nodes has missed a beat, and we have listened all the time: that is more likely us than all of them. */
function isSilent({ newestMs, leaseMs, listeningMs, silent, alive, overdue }: Situation): boolean {
  if (newestMs === undefined || newestMs <= TOGETHER * leaseMs) return false;
  const nodes = [...alive.values()].reduce((sum, count) => sum + count, 0) + overdue.length;
  return silent || (nodes >= SITE_NODES && listeningMs > TOGETHER * leaseMs);
}

function isOver({ leaseMs }: Overdue, { listeningMs }: Situation): boolean {
  return listeningMs > GRACE * leaseMs;
}

function isWhole(lost: number, alive: number): boolean {
  return lost >= SITE_NODES && lost > SITE_SHARE * (lost + alive);
}

/** Where a whole site could fall silent, a lost node is told of when those that are lost with it would be known. */
function isAlone({ overdueMs, leaseMs }: Overdue, nodes: number): boolean {
  return nodes < SITE_NODES || overdueMs > TOGETHER * leaseMs;
}

/** Nodes come back one by one, as their beats fall due and their pauses end: a lease is time for all of them. */
function goOn(
  site: string,
  { nodes, returningMs }: Outage,
  gone: Overdue[],
  heard: Set<string>,
  { alive, leaseMs }: { alive: number; leaseMs: number },
): SiteVerdict {
  const lost = gone.map(({ node }) => node);
  const back = nodes.filter((node) => heard.has(node));
  const still = [...nodes.filter((node) => !heard.has(node)), ...lost];
  if (isWhole(still.length, alive)) return { site, phase: 'goes on', lost, back, left: [] };
  if (still.length > 0 && (returningMs ?? 0) <= leaseMs) return { site, phase: 'returns', lost, back, left: [] };
  return { site, phase: 'ends', lost: [], back, left: still };
}
