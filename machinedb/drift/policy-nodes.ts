import { sql } from 'kysely';
import type { Policy, Subject } from '../../shared/policy.ts';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';
import { fleetAt } from '../nodes/asof.ts';
import { health } from '../nodes/node-view.ts';
import { isFresh } from './compliance.ts';

interface Row extends Omit<Subject, 'stale' | 'site' | 'rack' | 'role' | 'model'> {
  site: string | null;
  rack: string | null;
  role: string | null;
  model: string | null;
  fresh: boolean;
  observed_at: Date | null;
  seen_at: Date | null;
}

interface Slice {
  after: string | undefined;
  limit: number;
}

/** Sections that the assertions speak of. */
export const sectionsUsed = (policy: Policy): string[] => [
  ...new Set(Object.values(policy).flatMap(({ expect }) => Object.keys(expect.facts ?? {}))),
];

/** The next nodes by id, each with what assertions look at: one statement. Revoked nodes are nobody's. */
export async function policyNodes(db: Reader, sections: string[], { after, limit }: Slice): Promise<Subject[]> {
  const { rows } = await sql<Row>`
    select node.id, coalesce(n.fqdn, n.observed_name, node.id::text) as name, node.state, ${health} as health,
      n.site, n.rack, n.role, n.model, n.tags, n.errors, n.observed_at, h.at as seen_at, ${isFresh} as fresh,
      extract(epoch from now() - h.at)::float8 as age,
      coalesce((select jsonb_object_agg(key, value) from jsonb_each(n.observed) where key = any (${sections}::text[])), '{}') as observed,
      coalesce((select jsonb_object_agg(severity, count) from (
        select severity, count(*) as count from finding f where f.node = node.id
          and (f.acknowledged_by is null or f.acknowledged_until < now()) group by severity) as f), '{}') as findings
    from node join node_now n on n.node = node.id left join heartbeat h on h.node = node.id
    where node.revoked_at is null and (${after ?? null}::uuid is null or node.id > ${after ?? null}::uuid)
    order by node.id limit ${limit}`.execute(db);
  return rows.map(({ fresh, seen_at, observed_at, ...row }) => ({
    ...row,
    site: row.site ?? undefined,
    rack: row.rack ?? undefined,
    role: row.role ?? undefined,
    model: row.model ?? undefined,
    age: row.age ?? undefined,
    stale: fresh ? undefined : whyStale(observed_at, seen_at),
  }));
}

function whyStale(observed: Date | null, seen: Date | null): string {
  if (observed === null) return 'it has never reported: nobody knows what it is';
  if (seen === null) return `it was last heard of with its report at ${observed.toISOString()}`;
  return `it was last heard of at ${seen.toISOString()}, and has not said since that its facts are those it reported`;
}

/**
 * The same as things were at a time. Heartbeats, errors and the severity of findings are kept in no history. Throws `gone` when
 * that past was dropped: facts that are not there any more would be violations, or none.
 */
export async function policyNodesAt(
  db: Reader,
  sections: string[],
  time: string,
  slice: Slice,
): Promise<{ subjects: Subject[]; last: string | undefined; read: number }> {
  const then = await fleetAt(db, time, slice);
  const subjects = then.map(({ node }) => `node/${node.id}`);
  const { rows } = await sql<{ subject: string; section: string; data: unknown }>`
    select subject, section, data from revision where valid @> ${time}::timestamptz and data is not null and side = 'observed'
      and section = any (${sections}::text[]) and subject = any (${subjects}::text[])`.execute(db);
  await checkHorizon(db, time, { observed: sections });
  const facts = Map.groupBy(rows, ({ subject }) => subject);
  return {
    last: then.at(-1)?.node.id,
    read: then.length,
    subjects: then
      .filter(({ revoked }) => !revoked)
      .map(({ node }) => ({
        id: node.id,
        name: node.name,
        state: node.state,
        health: node.health,
        site: node.site,
        rack: node.rack,
        role: node.role,
        model: node.model,
        tags: node.tags,
        observed: Object.fromEntries((facts.get(`node/${node.id}`) ?? []).map(({ section, data }) => [section, data])),
        errors: {},
        stale: ['unknown', 'unreachable'].includes(node.health)
          ? `it was ${node.health === 'unknown' ? 'yet to report' : 'silent'} then`
          : undefined,
        findings: { warning: node.findings },
      })),
  };
}
