import { type Selectable, sql } from 'kysely';
import type { Profile } from '../../shared/api/drift.ts';
import { type Fault, judge } from '../../shared/expectation.ts';
import type { Reader, Tx } from '../db.ts';
import type { NewFinding } from '../intent/findings.ts';
import type { Database } from '../schema.ts';

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
export interface About {
  model?: string | null | undefined;
  role?: string | null | undefined;
}

/** All profiles. Who judges nodes locks them before: see judgeDue(). */
export async function readProfiles(db: Reader): Promise<Rule[]> {
  return (await db.selectFrom('profile').selectAll().orderBy('name').execute()).map(toProfile);
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

/** Whether a profile is about node_now `n`. */
export function isAbout({ model, role }: About) {
  return sql<boolean>`(${model ?? null}::text is null or n.model = ${model ?? null}) and (${role ?? null}::text is null or n.role = ${role ?? null})`;
}

/** These sections of what node_now `n` has reported: a whole report is a hundred times as large. */
export function sectionsIn(sections: string[]) {
  return sql`coalesce((select jsonb_object_agg(key, value) from jsonb_each(n.observed) where key = any (${sections}::text[])), '{}')`;
}

/** Names of the profiles of a role, which has to stay while they are there. */
export async function profilesOfRole(db: Reader, role: string): Promise<string[]> {
  return (await db.selectFrom('profile').select('name').where('role', '=', role).orderBy('name').execute()).map(
    ({ name }) => name,
  );
}
