import { sql } from 'kysely';
import type { Finding } from '../../shared/api/nodes.ts';
import type { Reader } from '../db.ts';

/** Whether finding `f` with grace `g` is to wake somebody: one definition for lists and metrics. */
export const alarmed = sql<boolean>`((f.acknowledged_by is null or coalesce(f.acknowledged_until < now(), false))
  and f.first_seen + make_interval(secs => coalesce(g.seconds, 0)) <= now())`;

/** Open findings with the names of their nodes; filters and order are the caller's. */
export function selectFindings(db: Reader) {
  return db
    .selectFrom('finding as f')
    .innerJoin('node_now as n', 'n.node', 'f.node')
    .leftJoin('finding_grace as g', 'g.kind', 'f.kind')
    .selectAll('f')
    .select(alarmed.as('alarmed'))
    .select(sql<string>`coalesce(n.fqdn, n.observed_name, n.node::text)`.as('name'));
}

type Row = Awaited<ReturnType<ReturnType<typeof selectFindings>['executeTakeFirstOrThrow']>>;

/** A finding as the API shows it. */
export function toFinding(row: Row): Finding {
  const { acknowledged_by: by, acknowledged_until: until, acknowledged_reason: reason } = row;
  return {
    id: row.id,
    node: row.node,
    name: row.name,
    section: row.section,
    path: row.path,
    kind: row.kind,
    severity: row.severity,
    expected: row.expected ?? undefined,
    got: row.got ?? undefined,
    message: row.message,
    first_seen: row.first_seen.toISOString(),
    alarmed: row.alarmed,
    acknowledged: by === null ? undefined : { by, until: until?.toISOString(), reason: reason ?? '' },
  };
}

/** Open findings counted by section, kind and severity, of the fleet or of a site or role; the most first. */
export async function countByKind(
  db: Reader,
  { site, role }: { site?: string | undefined; role?: string | undefined },
) {
  let counts = db
    .selectFrom('finding as f')
    .leftJoin('finding_grace as g', 'g.kind', 'f.kind')
    .select(['f.section', 'f.kind', 'f.severity'])
    .select(sql<number>`count(*)`.as('open'))
    .select(sql<number>`count(*) filter (where ${alarmed})`.as('alarmed'))
    .select(sql<number>`count(distinct f.node)`.as('nodes'))
    .groupBy(['f.section', 'f.kind', 'f.severity'])
    .orderBy('open', 'desc')
    .orderBy('f.section')
    .orderBy('f.kind')
    .orderBy('f.severity');
  const where = { site, role };
  for (const column of ['site', 'role'] as const)
    if (where[column] !== undefined)
      counts = counts.where(
        sql<boolean>`f.node in (select node from node_now where ${sql.ref(column)} = ${where[column]})`,
      );
  return await counts.execute();
}

/** Open findings of a node. */
export async function findingsNow(db: Reader, id: string): Promise<Finding[]> {
  const rows = await selectFindings(db).where('f.node', '=', id).orderBy('f.section').orderBy('f.path').execute();
  return rows.map(toFinding);
}
