import type { Hardware } from '../schema.ts';
import { type Comparison, type Contradiction, compare } from './compare.ts';

/** Two descriptions with at least this score are the same machine. */
const SAME = 100;
/** A node with so little less than that is one to look at. */
const NEAR = 75;
/** The best has to lead any other by so much. */
const LEAD = 50;

/** A node that shares something with a machine that claims. */
export interface Known {
  id: string;
  /** As identifying() leaves it. */
  hardware: Hardware;
  /** It was made by a claim that nobody could place, and nobody has decided yet. */
  quarantined: boolean;
  /** Nodes that a person said are other machines than it. */
  apart: string[];
}

export interface Candidate extends Comparison {
  node: string;
}

export interface Verdict {
  /** `same`: it is `node`; `quarantine`: a person must say which, if any, of the candidates it is. */
  outcome: 'new' | 'same' | 'quarantine';
  node?: string;
  why: string;
  /** Nodes that the machine is or may be, the best first. */
  candidates: Candidate[];
  /** Nodes above the threshold that nothing contradicts. */
  strong: string[];
}

const DOUBTS: Partial<Record<Contradiction, string>> = {
  'copied disk': 'its disk carries the identity of a node whose hardware it is not: the disk was copied or moved',
  'other cards': 'all its network cards are others than on record, and nothing else tells it from a twin',
  'moved parts': 'more of it differs from the node on record than is the same: parts may have moved',
};

/**
 * Which node a machine is. Pure: what a claim says, what is known, and nothing else. A match is a hint for people and for a
 * re-enrolment, never a credential.
 */
export function judgeIdentity(claimed: Hardware, known: Known[], common: ReadonlySet<string>): Verdict {
  const byId = new Map(known.map((each) => [each.id, each]));
  const all = known
    .map((each): Candidate => ({ node: each.id, ...compare(claimed, each, common) }))
    .sort((a, b) => b.score - a.score || (a.node < b.node ? -1 : 1));
  const high = all.filter(({ score }) => score >= SAME);
  const strong = high.filter(({ contradiction }) => contradiction === undefined);
  const doubtful = high.filter(({ contradiction }) => contradiction !== undefined && contradiction in DOUBTS);
  const shown = { strong: strong.map(({ node }) => node) };

  // It waits already: its doubt is raised once, however often it claims with another key.
  const waiting = strong.find(({ node }) => byId.get(node)!.quarantined);
  if (waiting !== undefined && bodily(waiting) >= Math.max(...high.map(bodily))) {
    const why = 'it waits for a decision already';
    return { outcome: 'same', node: waiting.node, why, candidates: [waiting], ...shown };
  }
  const [best] = strong;
  // What a person told apart is no rival, as long as one of them is more like it than the other.
  const isApart = (each: Candidate) =>
    best !== undefined && byId.get(best.node)!.apart.includes(each.node) && bodily(each) < bodily(best);
  const copied = doubtful.filter((each) => each.contradiction === 'copied disk' && !isApart(each));
  if (best === undefined || copied.length > 0) {
    const [doubt] = copied.length > 0 ? copied : doubtful;
    if (doubt === undefined) return { outcome: 'new', why: 'no node is like it', candidates: [], ...shown };
    const candidates = [...doubtful, ...strong].sort((a, b) => b.score - a.score);
    return { outcome: 'quarantine', why: DOUBTS[doubt.contradiction!]!, candidates, ...shown };
  }
  const near = all.filter(({ score, contradiction }) => score >= NEAR && score < SAME && contradiction === undefined);
  const rivals = [
    ...strong.filter((each) => each !== best && !isApart(each)),
    ...[...doubtful, ...near].filter((each) => best.score - each.score < LEAD && !isApart(each)),
  ];
  if (rivals.length === 0)
    return { outcome: 'same', node: best.node, why: 'it is like no other', candidates: [best], ...shown };
  const why = rivals.some((each) => strong.includes(each))
    ? 'it could be any of several nodes'
    : 'another node is nearly as like it as the best';
  return { outcome: 'quarantine', why, candidates: [best, ...rivals], ...shown };
}

/** Points by the machine itself, without what is written on its disk. */
function bodily({ evidence }: Candidate): number {
  return evidence.reduce((sum, { kind, points }) => sum + (kind === 'disk' ? 0 : points), 0);
}
