import { sql } from 'kysely';
import type { Layer } from '../../shared/merge.ts';
import type { Reader } from '../db.ts';
import { checkHorizon } from '../history/horizon.ts';

export interface OpenIntent {
  subject: string;
  section: string;
  data: unknown;
  seq: number;
  actor: string;
  reason: string | null;
  at: Date;
}

/** The intent now in force of each of the subjects. `at`: in force at that time. */
export async function readIntents(db: Reader, subjects: string[], at?: string): Promise<OpenIntent[]> {
  if (at !== undefined) await checkHorizon(db, at, { intended: undefined });
  const when = at === undefined ? sql`upper_inf(valid)` : sql`valid @> ${at}::timestamptz`;
  const { rows } = await sql<OpenIntent>`
    select subject, section, data, seq, actor, reason, at from revision
    where subject = any (${subjects}) and side = 'intended' and data is not null and ${when}
    order by subject, section`.execute(db);
  return rows;
}

/** Intents that a transaction is going to write: subject → section → data; null: the section goes away. */
export type Pending = Map<string, Record<string, unknown>>;

/** The layers of each node, widest first: fleet, site, role, rack, node. `pending` counts as if it were written. */
export async function readLayers(
  db: Reader,
  nodes: string[],
  { at, pending = new Map() }: { at?: string | undefined; pending?: Pending | undefined } = {},
): Promise<Map<string, Layer[]>> {
  const read = async (subjects: string[]) => overlay(group(await readIntents(db, subjects, at)), subjects, pending);
  const own = await read(nodes.map((node) => `node/${node}`));
  const subjectsOf = new Map(nodes.map((node) => [node, ['fleet', ...inherited(own.get(`node/${node}`) ?? {})]]));
  const wider = await read([...new Set([...subjectsOf.values()].flat())]);
  return new Map(
    nodes.map((node) => {
      const subjects = [...subjectsOf.get(node)!, `node/${node}`];
      return [node, subjects.flatMap((layer) => toLayer(layer, wider.get(layer) ?? own.get(layer)))];
    }),
  );
}

/** The subjects, beside the fleet, that a node with this own intent inherits from. */
export function inherited(own: Record<string, unknown>): string[] {
  const { site, rack } = (own.placement ?? {}) as { site?: string; rack?: string };
  const { name: role } = (own.role ?? {}) as { name?: string };
  return [
    ...(site === undefined ? [] : [`site/${site}`]),
    ...(role === undefined ? [] : [`role/${role}`]),
    ...(site === undefined || rack === undefined ? [] : [`rack/${site}:${rack}`]),
  ];
}

function group(intents: OpenIntent[]): Map<string, Record<string, unknown>> {
  const bySubject = new Map<string, Record<string, unknown>>();
  for (const { subject, section, data } of intents)
    bySubject.set(subject, { ...bySubject.get(subject), [section]: data });
  return bySubject;
}

function overlay(
  bySubject: Map<string, Record<string, unknown>>,
  subjects: string[],
  pending: Pending,
): Map<string, Record<string, unknown>> {
  for (const subject of subjects) {
    const written = pending.get(subject);
    if (written === undefined) continue;
    const sections = Object.entries({ ...bySubject.get(subject), ...written }).filter(([, data]) => data !== null);
    bySubject.set(subject, Object.fromEntries(sections));
  }
  return bySubject;
}

function toLayer(layer: string, sections: Record<string, unknown> | undefined): Layer[] {
  return sections === undefined ? [] : [{ layer, sections }];
}
