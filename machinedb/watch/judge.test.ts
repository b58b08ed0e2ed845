import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pace } from '../reports/heartbeats.ts';
import { judge, type SiteVerdict, type Situation } from './judge.ts';

const TICK_MS = 5000;
const MINUTE = 60_000;

interface Simulated {
  node: string;
  site: string;
  /** Heard last, due next, and the lease that it has. */
  at: number;
  next: number;
  leaseMs: number;
  reachable: boolean | null;
}

/** What was said: `node.unreachable 17` or `site.begins a 100`, with its minute. */
type Said = string[];

/**
 * A fleet in virtual time: nodes beat as the service tells them to, the task looks every five seconds.
 *
 * @param cut whether a node's beats do not come through at a time
 * @param works whether daemons listen at a time
 */
function live(
  options: { sites: Record<string, number>; ms: number; random: () => number },
  cut: (node: string, site: string, now: number) => boolean,
  works: (now: number) => boolean = () => true,
): { said: Said; fleet: Simulated[] } {
  const { sites, ms, random } = options;
  const fleet: Simulated[] = Object.entries(sites).flatMap(([site, count]) =>
    Array.from({ length: count }, (_, i) => ({
      ...{ node: `${site}${i}`, site, at: Number.NEGATIVE_INFINITY, next: 10_000 * random() },
      ...{ leaseMs: 0, reachable: null },
    })),
  );
  const { baseMs, leaseMs } = pace(30_000, fleet.length);
  const said: Said = [];
  const outages = new Map<string, Open>();
  let silent = false;
  let listeningSince = 0;
  for (let now = 0; now < ms; now += TICK_MS) {
    for (const node of fleet) {
      if (node.next > now) continue;
      node.next = now + baseMs * (0.8 + 0.4 * random());
      if (works(now) && !cut(node.node, node.site, now)) Object.assign(node, { at: now, leaseMs });
    }
    if (!works(now)) listeningSince = now;
    else {
      const known = fleet.filter(({ at }) => at >= 0);
      const isAlive = ({ at }: Simulated) => at + leaseMs > now;
      const situation: Situation = {
        ...{ listeningMs: now - listeningSince, leaseMs, silent },
        newestMs: known.length === 0 ? undefined : now - Math.max(...known.map(({ at }) => at)),
        alive: new Map(
          Object.keys(sites).map((site) => [site, known.filter((node) => node.site === site && isAlive(node)).length]),
        ),
        overdue: known
          .filter((node) => !isAlive(node) && node.reachable !== false)
          .map(({ node, site, at }) => ({ node, site, leaseMs, overdueMs: now - at - leaseMs })),
        heard: known.filter((node) => isAlive(node) && node.reachable !== true),
        outages: new Map(
          [...outages].map(([site, { nodes, returningSince }]) => [
            site,
            { nodes: [...nodes], returningMs: returningSince === undefined ? undefined : now - returningSince },
          ]),
        ),
      };
      const verdict = judge(situation);
      if (silent !== verdict.silent) listeningSince = now;
      silent = verdict.silent;
      const mark = (nodes: string[], reachable: boolean) => {
        for (const node of nodes) fleet.find((one) => one.node === node)!.reachable = reachable;
      };
      mark([...verdict.lost, ...verdict.sites.flatMap(({ lost, left }) => [...lost, ...left])], false);
      mark([...verdict.back, ...verdict.sites.flatMap(({ back }) => back)], true);
      said.push(...verdict.lost.map((node) => `lost ${node}`), ...(silent ? ['silent'] : []));
      said.push(...verdict.sites.flatMap((site) => follow(outages, site, now)));
    }
  }
  return { said, fleet };
}

interface Open {
  nodes: Set<string>;
  returningSince: number | undefined;
}

function follow(outages: Map<string, Open>, { site, phase, lost, back, left }: SiteVerdict, now: number): Said {
  const { nodes, returningSince } = outages.get(site) ?? { nodes: new Set(), returningSince: undefined };
  for (const node of lost) nodes.add(node);
  for (const node of back) nodes.delete(node);
  if (phase === 'ends') outages.delete(site);
  else outages.set(site, { nodes, returningSince: phase === 'returns' ? (returningSince ?? now) : undefined });
  const said = phase === 'begins' || phase === 'ends' ? [`${phase} ${site}`] : [];
  return [...said, ...left.map((node) => `left ${node}`)];
}

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const during = (now: number, from: number, to: number) => now >= from * MINUTE && now < to * MINUTE;

test('a site of 500 that is cut off is one alarm, and one all-clear', () => {
  const sites = { a: 500, b: 200 };
  const { said, fleet } = live({ sites, ms: 20 * MINUTE, random: randomOf(7) }, (_, site, now) =>
    site === 'a' ? during(now, 5, 12) : false,
  );
  expect(said).toEqual(['begins a', 'ends a']);
  expect(fleet.every(({ reachable }) => reachable === true)).toBe(true);
});

test('a node that stays away when its site comes back is an alarm of its own; one that dies alone is, too', () => {
  const sites = { a: 100, b: 50, small: 3 };
  const { said } = live({ sites, ms: 20 * MINUTE, random: randomOf(8) }, (node, site, now) =>
    site === 'a' ? during(now, 5, node === 'a7' ? 99 : 10) : (node === 'b3' || node === 'small1') && during(now, 5, 99),
  );
  expect(said.toSorted()).toEqual(['begins a', 'ends a', 'left a7', 'lost b3', 'lost small1']);
});

test.each([
  ['our own network is away', (_: number) => true, 9, ['silent']],
  // Agents come back some time after the daemons do.
  ['no daemon runs', (now: number) => !during(now, 5, 9), 9.4, []],
])('when %s for four minutes, nobody is called unreachable, then or after it', (_name, works, cutTo, expected) => {
  const { said } = live(
    { sites: { a: 60, b: 40 }, ms: 20 * MINUTE, random: randomOf(9) },
    (_node, _site, now) => during(now, 5, cutTo),
    works,
  );
  expect([...new Set(said)]).toEqual(expected);
});

test('nobody is unreachable before two leases are over after a start', () => {
  const { said } = live(
    { sites: { a: 30 }, ms: 5 * MINUTE, random: randomOf(10) },
    (node, _site, now) => node !== 'a0' && during(now, 0.5, 99),
  );
  // Leases are 105 s: without the grace it would be said after 135 s, and it is after 210 s.
  expect(said).toEqual(['begins a']);
  const early = live(
    { sites: { a: 30 }, ms: 3.4 * MINUTE, random: randomOf(10) },
    (node, _site, now) => node !== 'a0' && during(now, 0.5, 99),
  );
  expect(early.said).toEqual([]);
});

test('whatever part of a site is cut off, when and for how long: a part above a fifth is one alarm, a smaller one its nodes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 120 }),
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 200, max: 400 }),
      fc.integer({ min: 300, max: 600 }),
      fc.nat(),
      (size, percent, from, seconds, seed) => {
        const dead = Math.floor((size * percent) / 100);
        const [start, end] = [from * 1000, (from + seconds) * 1000];
        const { said, fleet } = live(
          { sites: { a: size, b: 20 }, ms: end + 3 * MINUTE, random: randomOf(seed) },
          (node, site, now) => site === 'a' && Number(node.slice(1)) < dead && now >= start && now < end,
        );
        if (dead >= 5 && dead > 0.2 * size) expect(said).toEqual(['begins a', 'ends a']);
        else expect(said.toSorted()).toEqual(Array.from({ length: dead }, (_, i) => `lost a${i}`).toSorted());
        expect(fleet.filter(({ reachable }) => reachable !== true)).toEqual([]);
      },
    ),
    { numRuns: 40, seed: 7 },
  );
});
