import { sql } from 'kysely';
import type { z } from 'zod';
import type { Profile, verdict } from '../../shared/api/drift.ts';
import type { Reader } from '../db.ts';
import { isAbout, type Judged, PROFILE, profileFindings, sectionsIn } from './profiles.ts';

type Verdict = z.infer<typeof verdict>;
type About = Pick<Profile, 'name' | 'model' | 'role'>;

/**
 * Whether the facts of node_now `n` are those that the machine has now, by its heartbeat `h`: it has reported, it is not silent,
 * and what it has is what it reported.
 */
export const isFresh = sql<boolean>`(n.observed_at is not null and n.reachable is not false and h.node is not null
  and h.at + make_interval(secs => h.lease_ms / 1000.0) > now() and (h.facts is null or h.facts is not distinct from n.facts))`;

/** Every node that a profile is about, with its verdict: what differs differs also when nobody has heard of it since. */
const judged = (about: About) => sql`
  select node.id as node, coalesce(n.fqdn, n.observed_name, node.id::text) as name, n.observed_at, f.findings,
    case when f.differ > 0 then 'differs' when f.findings > 0 or not ${isFresh} then 'unknown' else 'meets' end as verdict
  from node join node_now n on n.node = node.id left join heartbeat h on h.node = node.id
  cross join lateral (select count(*) as findings, count(*) filter (where kind <> 'unknown') as differ from finding
    where finding.node = node.id and section = ${PROFILE} and starts_with(path, ${`/${about.name}/`})) as f
  where ${isAbout(about)} and node.state <> 'retired' and node.revoked_at is null`;

/** How many nodes meet a profile, differ from it, or are not known to do either. */
export async function complianceOf(db: Reader, about: About) {
  const { rows } = await sql<Record<'nodes' | Verdict, number>>`
    select count(*) as nodes, count(*) filter (where verdict = 'meets') as meets,
      count(*) filter (where verdict = 'differs') as differs, count(*) filter (where verdict = 'unknown') as unknown
    from (${judged(about)}) as j`.execute(db);
  return rows[0]!;
}

const CHUNK = 1000;
const FIRST = '00000000-0000-0000-0000-000000000000';

/** The same by the facts themselves: of a profile by which nobody has been judged yet. */
export async function foreseenCompliance(db: Reader, profile: Profile) {
  const counts = { nodes: 0, meets: 0, differs: 0, unknown: 0 };
  for (let after = FIRST; ; ) {
    const { rows } = await sql<Judged & { fresh: boolean }>`
      select n.node, n.model, n.role, n.errors, ${sectionsIn(Object.keys(profile.expect))} as observed, ${isFresh} as fresh
      from node join node_now n on n.node = node.id left join heartbeat h on h.node = node.id
      where ${isAbout(profile)} and node.state <> 'retired' and node.revoked_at is null and node.id > ${after}
      order by node.id limit ${CHUNK}`.execute(db);
    for (const row of rows) {
      const findings = profileFindings(row, [profile]);
      const differs = findings.some(({ kind }) => kind !== 'unknown');
      counts[differs ? 'differs' : findings.length > 0 || !row.fresh ? 'unknown' : 'meets'] += 1;
    }
    counts.nodes += rows.length;
    if (rows.length < CHUNK) return counts;
    after = rows.at(-1)!.node;
  }
}

export interface ProfileNode {
  node: string;
  name: string;
  observed_at: Date | null;
  findings: number;
  verdict: Verdict;
}

/** Its nodes by id, at most `limit` of them. */
export async function profileNodes(
  db: Reader,
  about: About,
  { verdict: only, after, limit }: { verdict?: Verdict | undefined; after?: string | undefined; limit: number },
): Promise<ProfileNode[]> {
  const { rows } = await sql<ProfileNode>`
    select * from (${judged(about)}) as j
    where (${only ?? null}::text is null or verdict = ${only ?? null}) and (${after ?? null}::uuid is null or node > ${after ?? null}::uuid)
    order by node limit ${limit}`.execute(db);
  return rows;
}
