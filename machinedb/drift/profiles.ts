import { type Selectable, sql } from 'kysely';
import type { Profile } from '../../shared/api/drift.ts';
import { type Fault, judge } from '../../shared/expectation.ts';
import { Overtaken, type Reader, type Tx } from '../db.ts';
import { type NewFinding, storeFindings } from '../intent/findings.ts';
import type { Database } from '../schema.ts';

const CHUNK = 500;

/** Section of the findings that profiles make; their paths begin with the profile's name. */
export const PROFILE = 'profile';

/** A profile as the API shows it. */
export function toProfile(row: Selectable<Database['profile']>): Profile {
  const { name, model, role, description, expect, changed_by, changed_at } = row;
  return {
    name,
    model: model ?? undefined,
    role: role ?? undefined,
    description: description ?? undefined,
    expect,
    changed_by,
    changed_at: changed_at.toISOString(),
  };
}

export type Rule = Pick<Profile, 'name' | 'model' | 'role' | 'expect'>;
/** Which nodes a profile is about: those of a model, a role, or both. */
interface About {
  model?: string | null | undefined;
  role?: string | null | undefined;
}

/**
 * All profiles, for judging nodes in this transaction: none of them changes before it ends. Comes after the locks of nodes and
 * before those of networks.
 */
export async function keepProfiles(tx: Tx): Promise<Rule[]> {
  await sql`select pg_advisory_xact_lock_shared(7100, 15)`.execute(tx);
  return (await tx.selectFrom('profile').selectAll().orderBy('name').execute()).map(toProfile);
}

/** What of a node decides which profiles are about it, and whether it meets them. */
export interface Judged {
  node: string;
  model?: string | null | undefined;
  role?: string | null | undefined;
  observed: Record<string, unknown>;
  /** Section → why the agent could not read it. */
  errors: Record<string, string>;
}

/** Where a node is not as the profiles that are about it expect. */
export function profileFindings(node: Judged, profiles: Rule[]): NewFinding[] {
  return profiles
    .filter(({ model, role }) => (model ?? node.model) === node.model && (role ?? node.role) === node.role)
    .flatMap(({ name, expect }) =>
      judge(expect, node.observed, node.errors).map((fault) => toFinding(node.node, name, fault)),
    );
}

function toFinding(node: string, profile: string, { path, kind, expected, got, message }: Fault): NewFinding {
  return {
    node,
    section: PROFILE,
    path: `/${profile}${path}`,
    kind,
    severity: kind === 'unknown' ? 'info' : 'warning',
    expected,
    got,
    message: `${message} (profile ${profile})`,
  };
}

/** One writer of a profile at a time; before the locks of nodes. */
export async function lockProfile(tx: Tx, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`profile/${name}`}, 7100))`.execute(tx);
}

/**
 * Runs a change of a profile and judges the nodes that it is about, or was about, anew.
 *
 * @param about what the profile selects before and after the change
 */
export async function changeProfile(tx: Tx, about: About[], change: () => Promise<void>): Promise<void> {
  const nodes = await nodesAbout(tx, about, true);
  // Who judges now has read the profile as it was; who comes later waits, and reads it as it will be.
  await sql`select pg_advisory_xact_lock(7100, 15)`.execute(tx);
  const locked = new Set(nodes);
  if ((await nodesAbout(tx, about, false)).some((node) => !locked.has(node))) throw new Overtaken();
  await change();
  await judgeNodes(tx, nodes);
}

async function nodesAbout(tx: Tx, about: About[], lock: boolean): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select node.id from node join node_now n on n.node = node.id
    where ${sql.join(
      about.map((rule) => isAbout(rule)),
      sql` or `,
    )}
    order by node.id ${lock ? sql`for update of node` : sql``}`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Whether a profile is about node_now `n`. */
export function isAbout({ model, role }: About) {
  return sql<boolean>`(${model ?? null}::text is null or n.model = ${model ?? null}) and (${role ?? null}::text is null or n.role = ${role ?? null})`;
}

/** Makes the findings of these nodes, whose rows are locked, those of the profiles. */
export async function judgeNodes(tx: Tx, nodes: string[]): Promise<void> {
  const profiles = (await tx.selectFrom('profile').selectAll().orderBy('name').execute()).map(toProfile);
  const used = [...new Set(profiles.flatMap(({ expect }) => Object.keys(expect)))];
  for (let i = 0; i < nodes.length; i += CHUNK) {
    const ids = nodes.slice(i, i + CHUNK);
    const { rows } = await sql<Judged>`
      select node, model, role, errors, coalesce((
        select jsonb_object_agg(key, value) from jsonb_each(observed) where key = any (${used}::text[])), '{}') as observed
      from node_now where node = any (${ids}::uuid[])`.execute(tx);
    await storeFindings(
      tx,
      ids,
      rows.flatMap((row) => profileFindings(row, profiles)),
      PROFILE,
    );
  }
}

/** Names of the profiles of a role, which has to stay while they are there. */
export async function profilesOfRole(db: Reader, role: string): Promise<string[]> {
  return (await db.selectFrom('profile').select('name').where('role', '=', role).orderBy('name').execute()).map(
    ({ name }) => name,
  );
}
