import { sql } from 'kysely';
import { differences } from '../../shared/diff.ts';
import type { Unresolvable } from '../../shared/resolve.ts';
import type { Tx } from '../db.ts';
import type { AllocationRow } from '../places/allocations.ts';
import { parseNetworkKey } from '../places/nearest.ts';
import type { FindingKind, Severity } from '../schema.ts';

export interface NewFinding {
  node: string;
  section: string;
  path: string;
  kind: FindingKind;
  severity: Severity;
  expected?: unknown;
  got?: unknown;
  message: string;
}

/** Sections that both a machine reports and people intend. */
const compared = ['hostname', 'network', 'bgp', 'ssh', 'repos', 'time'];

const severities: Record<'missing' | 'mismatch' | 'unknown', Severity> = {
  missing: 'warning',
  mismatch: 'warning',
  unknown: 'info',
};

/** Sections of findings that others than the comparison with wanted write, and take away: outcomes of applies, and cables. */
const ownFindings = ['state', 'cabling'];

/** Where a node is not as wanted. A section nobody intends is unmanaged, and nothing is found in it. */
export function findingsOf(
  node: string,
  wanted: Record<string, unknown>,
  observed: Record<string, unknown>,
  problems: Unresolvable[],
  allocations: AllocationRow[],
): NewFinding[] {
  // The discovery image in memory is not what the intent is about.
  const discovery = (observed.os as { discovery?: boolean } | undefined)?.discovery === true;
  const different = (discovery ? [] : compared)
    .filter((section) => wanted[section] !== undefined)
    .flatMap((section) =>
      differences(wanted[section], observed[section]).map(({ path, kind, expected, got }) => ({
        node,
        section,
        path,
        kind,
        severity: severities[kind],
        expected,
        got,
        message: messageOf(section, path, kind, expected, got),
      })),
    );
  const unresolvable = problems.map(({ section, path, message }) => ({
    node,
    section,
    path,
    message,
    kind: 'missing' as const,
    severity: 'error' as const,
  }));
  const orphans = allocations
    .filter(({ state }) => state === 'orphan')
    .map(({ address, network: key }) => ({ address, network: parseNetworkKey(key).name }))
    .map(({ address, network }) => ({
      node,
      section: 'network',
      path: `/allocations/${address}`,
      kind: 'unexpected' as const,
      severity: 'info' as const,
      got: address,
      message: `address ${address} of network ${network} is no longer intended: machinedb network release ${network} ${address} frees it`,
    }));
  // One place, one finding: what cannot be resolved says more than the difference it makes.
  return [
    ...new Map(
      [...different, ...orphans, ...unresolvable].map((finding) => [`${finding.section} ${finding.path}`, finding]),
    ).values(),
  ];
}

function messageOf(section: string, path: string, kind: string, expected: unknown, got: unknown): string {
  const what = `${section}${path}`;
  const show = (value: unknown) => JSON.stringify(value)?.slice(0, 200);
  if (kind === 'unknown') return `${what} has not been reported, so nobody knows whether it is as wanted`;
  return kind === 'missing'
    ? `${what} is missing: wanted ${show(expected)}`
    : `${what} is ${show(got)}: wanted ${show(expected)}`;
}

/**
 * Makes the open findings of nodes exactly these. One that stays keeps its first sight, and its acknowledgement as long as
 * it is the same difference: another value, reported or wanted, is another thing to look at.
 *
 * @param section the one section that is known anew; undefined: those of the comparison with wanted, and with profiles
 */
export async function storeFindings(tx: Tx, nodes: string[], findings: NewFinding[], section?: string): Promise<void> {
  await writeFindings(tx, nodes, findings, section);
  await countFindings(tx, nodes);
}

/** The same; the caller then stores how many there are with the rest of the nodes' rows. */
export async function writeFindings(tx: Tx, nodes: string[], findings: NewFinding[], section?: string): Promise<void> {
  const scope = section === undefined ? sql`f.section <> all (${ownFindings})` : sql`f.section = ${section}`;
  const same = sql`(finding.kind, finding.expected, finding.got) is not distinct from (excluded.kind, excluded.expected, excluded.got)`;
  await sql`
    with x as materialized (
      select * from json_to_recordset(${JSON.stringify(findings)}::json) as
        x(node uuid, section text, path text, kind text, severity text, expected jsonb, got jsonb, message text)
    ), gone as (
      delete from finding f where f.node = any (${nodes}::uuid[]) and ${scope} and not exists (
        select from x where x.node = f.node and x.section = f.section and x.path = f.path)
    )
    insert into finding (node, section, path, kind, severity, expected, got, message) select * from x
    on conflict (node, section, path) do update set kind = excluded.kind, severity = excluded.severity,
      expected = excluded.expected, got = excluded.got, message = excluded.message,
      acknowledged_by = case when ${same} then finding.acknowledged_by end,
      acknowledged_until = case when ${same} then finding.acknowledged_until end,
      acknowledged_reason = case when ${same} then finding.acknowledged_reason end
    where (finding.kind, finding.message, finding.expected, finding.got)
      is distinct from (excluded.kind, excluded.message, excluded.expected, excluded.got)`.execute(tx);
}

/** Whether finding `f` counts: nobody has acknowledged it, or no longer. */
export const isOpen = sql<boolean>`(f.acknowledged_by is null or f.acknowledged_until < now())`;

/** Brings the count that lists show up to date: open and not acknowledged. */
export async function countFindings(tx: Tx, nodes: string[]): Promise<void> {
  await sql`
    update node_now n set findings = c.count from (
      select ids.node, (select count(*) from finding f where f.node = ids.node
        and ${isOpen}) as count
      from unnest(${nodes}::uuid[]) as ids(node)) as c
    where n.node = c.node and n.findings <> c.count`.execute(tx);
}
