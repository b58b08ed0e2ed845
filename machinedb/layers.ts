import { sql } from 'kysely';
import type { Layer } from '../shared/merge.ts';
import type { Reader } from './db.ts';

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
  const when = at === undefined ? sql`upper_inf(valid)` : sql`valid @> ${at}::timestamptz`;
  const { rows } = await sql<OpenIntent>`
    select subject, section, data, seq, actor, reason, at from revision
    where subject = any (${subjects}) and side = 'intended' and data is not null and ${when}
    order by subject, section`.execute(db);
  return rows;
}

/** The layers of each node, widest first: fleet, site, role, rack, node. */
export async function readLayers(db: Reader, nodes: string[], at?: string): Promise<Map<string, Layer[]>> {
  const own = group(
    await readIntents(
      db,
      nodes.map((node) => `node/${node}`),
      at,
    ),
  );
  const subjectsOf = new Map(nodes.map((node) => [node, widerSubjects(own.get(`node/${node}`) ?? {})]));
  const wider = group(await readIntents(db, [...new Set([...subjectsOf.values()].flat())], at));
  return new Map(
    nodes.map((node) => {
      const subjects = [...subjectsOf.get(node)!, `node/${node}`];
      return [node, subjects.flatMap((layer) => toLayer(layer, wider.get(layer) ?? own.get(layer)))];
    }),
  );
}

/** The subjects that a node with this own intent inherits from. */
function widerSubjects(own: Record<string, unknown>): string[] {
  const { site, rack } = (own.placement ?? {}) as { site?: string; rack?: string };
  const { name: role } = (own.role ?? {}) as { name?: string };
  return [
    'fleet',
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

function toLayer(layer: string, sections: Record<string, unknown> | undefined): Layer[] {
  return sections === undefined ? [] : [{ layer, sections }];
}
