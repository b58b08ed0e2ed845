import { sql } from 'kysely';
import type { Blamed } from '../../shared/api/history.ts';
import { type Explained, explain } from '../../shared/explain.ts';
import type { Layer } from '../../shared/merge.ts';
import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';
import { inherited, readLayers } from '../intent/layers.ts';
import { type LastChange, lastChanges, type Question } from './last-change.ts';

interface Asked {
  question: Question;
  /** What is known of the answer before it is there. */
  told: Pick<Blamed, 'side' | 'path' | 'layer' | 'wins'>;
}

/**
 * Who or what made a value of a node as it is: what each layer of intent says of it, the wanted state, and what the machine
 * reports. Of a part of a section, what was intended is told value by value. Throws not_found when nobody ever spoke of it.
 *
 * @param path JSON pointer (RFC 6901) from the section on
 * @param time RFC 3339; now when undefined
 */
export async function blame(
  db: Reader,
  epoch: string,
  node: string,
  path: string,
  time: string | undefined,
): Promise<Blamed[]> {
  const subject = `node/${node}`;
  const [section = '', ...rest] = keysOf(path);
  const layers = (await readLayers(db, [node], { at: time })).get(node) ?? [];
  const asked: Asked[] = [
    ...intended(layers, subject, path),
    {
      question: { subject, side: 'derived', section: 'wanted', path: ['wanted', section, ...rest] },
      told: { side: 'wanted', path },
    },
    { question: { subject, side: 'observed', section, path: rest }, told: { side: 'observed', path } },
  ];
  const joins = joinsOf(asked, subject);
  const found = await lastChanges(
    db,
    [...asked.map(({ question }) => question), ...joins.map(({ question }) => question)],
    time,
  );
  const joined = joins.map(({ layer }, i) => ({ layer, change: found[asked.length + i] }));
  const items = asked.flatMap(({ told }, i) => {
    const change = found[i];
    if (change === undefined) return [];
    const { value, before } = change;
    const brought = latest(joined.filter(({ layer }) => layer === told.layer).map((join) => join.change));
    const values = { ...('value' in change ? { value } : {}), ...('before' in change ? { before } : {}) };
    return [
      {
        ...told,
        ...values,
        ...saidBy(change, epoch),
        ...(brought === undefined ? {} : { inherited: saidBy(brought, epoch) }),
        ...(told.side === 'observed' ? { source: change.source } : {}),
        ...(change.older ? { older: true } : {}),
      },
    ];
  });
  if (items.length === 0)
    throw new Problem('not_found', `nothing was ever said of ${path} of this node: machinedb show lists its sections`);
  return await withBoots(db, node, items);
}

/** The keys of a JSON pointer. */
export function keysOf(pointer: string): string[] {
  return pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function intended(layers: Layer[], subject: string, path: string): Asked[] {
  const about = explain(layers).filter(
    (entry) => entry.path === path || entry.path.startsWith(`${path}/`) || path.startsWith(`${entry.path}/`),
  );
  // Nobody speaks of it now: who took it away may be in any layer.
  if (about.length === 0) {
    const own = layers.find(({ layer }) => layer === subject)?.sections ?? {};
    return [subject, ...inherited(own).reverse(), 'fleet'].map((layer) => askLayer({ path }, layer, undefined));
  }
  return about.flatMap((entry) => [
    askLayer(entry, entry.layer, true),
    ...entry.overrides.map(({ layer }) => askLayer(entry, layer, false)).reverse(),
  ]);
}

function askLayer({ path }: Pick<Explained, 'path'>, layer: string, wins: boolean | undefined): Asked {
  const [section = '', ...rest] = keysOf(path);
  return {
    question: { subject: layer, side: 'intended', section, path: rest },
    told: { side: 'intended', path, layer, ...(wins === undefined ? {} : { wins }) },
  };
}

/** What of a node's own intent brings it to inherit from a layer. */
const joining: Record<string, [section: string, key: string][]> = {
  role: [['role', 'name']],
  site: [['placement', 'site']],
  rack: [
    ['placement', 'site'],
    ['placement', 'rack'],
  ],
};

function joinsOf(asked: Asked[], subject: string): { layer: string; question: Question }[] {
  const layers = [...new Set(asked.flatMap(({ told }) => told.layer ?? []))];
  return layers.flatMap((layer) =>
    (joining[layer.split('/')[0]!] ?? []).map(([section, key]) => ({
      layer,
      question: { subject, side: 'intended' as const, section, path: [key] },
    })),
  );
}

function latest(all: (LastChange | undefined)[]): LastChange | undefined {
  return all.reduce((a, b) => (a === undefined || (b !== undefined && b.seq > a.seq) ? b : a), undefined);
}

function saidBy({ at, actor, reason, seq }: LastChange, epoch: string) {
  return { at: at.toISOString(), actor, ...(reason === null ? {} : { reason }), cursor: `${epoch}.${seq}` };
}

/** The boot in which each observed value was reported, as far as boots are remembered. */
async function withBoots(db: Reader, node: string, items: Blamed[]): Promise<Blamed[]> {
  const times = items.map(({ side, at }) => (side === 'observed' ? at : null));
  const { rows } = await sql<{ boot_id: string | null }>`
    select (select boot_id from node_boot where node = ${node} and first_at <= t.at + interval '1 millisecond'
      order by first_at desc limit 1) as boot_id
    from unnest(${times}::timestamptz[]) with ordinality as t(at, i) order by i`.execute(db);
  return items.map((item, i) => {
    const boot = rows[i]?.boot_id ?? undefined;
    return boot === undefined ? item : { ...item, boot };
  });
}
