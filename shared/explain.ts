import { isMembers, type Layer } from './merge.ts';

export interface Explained {
  /** JSON pointer (RFC 6901) of the value. */
  path: string;
  /** Absent when the winning layer removes the value. */
  value?: unknown;
  layer: string;
  /** What narrower layers hide, widest first. */
  overrides: { layer: string; value?: unknown }[];
}

/** For each value that any layer speaks of: the layer that wins, and what it overrides. Layers widest first. */
export function explain(layers: Layer[]): Explained[] {
  const said = new Map<string, { layer: string; value: unknown }[]>();
  for (const { layer, sections } of layers) {
    for (const [path, value] of leaves(sections, '')) {
      const before = said.get(path) ?? [];
      said.set(path, [...before, { layer, value }]);
    }
  }
  return [...said]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, values]) => {
      const winner = values.at(-1)!;
      return {
        path,
        layer: winner.layer,
        ...(winner.value === null ? {} : { value: winner.value }),
        overrides: values.slice(0, -1).map(({ layer, value }) => (value === null ? { layer } : { layer, value })),
      };
    });
}

function* leaves(value: unknown, path: string): Generator<[string, unknown]> {
  if (!isMembers(value) || Object.keys(value).length === 0) {
    yield [path, value];
    return;
  }
  for (const [key, member] of Object.entries(value)) yield* leaves(member, `${path}/${escapePointer(key)}`);
}

/** One reference token of a JSON pointer (RFC 6901). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
