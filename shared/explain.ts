import { isMembers, type Layer, REPLACE, replaces } from './merge.ts';

export interface Explained {
  /** JSON pointer (RFC 6901) of the value. */
  path: string;
  /** Absent when the winning layer removes the value. */
  value?: unknown;
  layer: string;
  /** What narrower layers hide, widest first. */
  overrides: Said[];
}

/** Without `value`: the layer removes what wider ones say. */
interface Said {
  layer: string;
  value?: unknown;
}

/** One place of the merged intent, as it is while layers are merged. */
interface Place {
  state: 'absent' | 'value' | 'object';
  /** The layer that spoke last of it as an object. */
  layer: string;
  said: Said[];
  members: Map<string, Place>;
}

/**
 * For each value that any layer speaks of: the layer that wins, and what it overrides. Layers widest first. The values are
 * those that mergeLayers makes, an object that is left empty included: it merges in the same way, and keeps what was said.
 */
export function explain(layers: Layer[]): Explained[] {
  const root = newPlace();
  for (const { layer, sections } of layers) merge(root, sections, layer);
  return [...root.members]
    .flatMap(([section, place]) => [...entries(place, `/${escapePointer(section)}`)])
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function newPlace(): Place {
  return { state: 'absent', layer: '', said: [], members: new Map() };
}

/** As combine() does. `alone`: a wider object of this layer replaces all that is in it. */
function merge(place: Place, patch: unknown, layer: string, alone = false): void {
  if (isMembers(patch)) {
    if (place.state === 'value') place.said.push({ layer });
    const replacing = alone || replaces(patch);
    if (replacing && place.state === 'object') endOthers(place, patch, layer);
    place.state = 'object';
    place.layer = layer;
    for (const [key, member] of Object.entries(patch)) {
      if (key === REPLACE && member === true) continue;
      if (!place.members.has(key)) place.members.set(key, newPlace());
      merge(place.members.get(key)!, member, layer, replacing);
    }
    return;
  }
  const speaksBelow = place.state === 'object' && !isEmpty(place);
  endMembers(place, layer);
  if (patch !== null) place.said.push({ layer, value: patch });
  else if (!speaksBelow) place.said.push({ layer });
  place.state = patch === null ? 'absent' : 'value';
}

function endMembers(place: Place, layer: string): void {
  if (place.state !== 'object') return;
  sayEmpty(place);
  for (const member of place.members.values()) if (member.state !== 'absent') merge(member, null, layer);
}

/** What an object that replaces does not name is gone. */
function endOthers(place: Place, patch: Record<string, unknown>, layer: string): void {
  for (const [key, member] of place.members)
    if (!Object.hasOwn(patch, key) && member.state !== 'absent') merge(member, null, layer);
}

/** An object that no layer left a member of is a value of its own. */
function sayEmpty(place: Place): void {
  if (place.state !== 'object' || !isEmpty(place)) return;
  // The layer that put the object in place of a value says one thing, not two.
  if (place.said.at(-1)?.layer === place.layer) place.said.pop();
  place.said.push({ layer: place.layer, value: {} });
}

function isEmpty(place: Place): boolean {
  return [...place.members.values()].every(({ state }) => state === 'absent');
}

function* entries(place: Place, path: string): Generator<Explained> {
  sayEmpty(place);
  if (place.said.length > 0) yield { path, ...place.said.at(-1)!, overrides: place.said.slice(0, -1) };
  for (const [key, member] of place.members) yield* entries(member, `${path}/${escapePointer(key)}`);
}

/** One reference token of a JSON pointer (RFC 6901). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
