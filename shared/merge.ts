export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Members = Record<string, unknown>;

export function isMembers(value: unknown): value is Members {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Merges a patch into a value: objects key by key, `null` removes a key, anything else replaces (RFC 7396). */
export function mergePatch(value: unknown, patch: unknown): unknown {
  if (!isMembers(patch)) return patch;
  const merged: Members = isMembers(value) ? { ...value } : {};
  for (const [key, member] of Object.entries(patch)) {
    if (member === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], member);
  }
  return merged;
}

/**
 * A layer's object with this member, `true`, replaces what wider layers say there, instead of adding to it. No name that an
 * intent takes begins with "$".
 */
export const REPLACE = '$replace';

/** Whether what a layer says here hides all that wider layers say. */
export function replaces(said: unknown): boolean {
  return !isMembers(said) || said[REPLACE] === true;
}

/**
 * One layer that says what two say, the second of them the narrower. It is associative: any neighbours may be put together
 * first. `undefined`: a layer that says nothing.
 */
export function combine(wide: unknown, narrow: unknown): unknown {
  if (narrow === undefined) return wide;
  if (wide === undefined || !isMembers(narrow) || replaces(narrow)) return narrow;
  // An object in place of a value stays alone, whatever a still wider layer says.
  if (!isMembers(wide)) return { ...narrow, [REPLACE]: true };
  const combined: Members = { ...wide };
  for (const [key, member] of Object.entries(narrow)) combined[key] = combine(combined[key], member);
  return combined;
}

/** What is left when no wider layer is to come: neither marks nor removed keys. */
export function settled(said: unknown): unknown {
  if (!isMembers(said)) return said;
  return Object.fromEntries(
    Object.entries(said)
      .filter(([key, member]) => member !== null && !(key === REPLACE && member === true))
      .map(([key, member]) => [key, settled(member)]),
  );
}

/** One layer's intent: section → data. `layer` is its subject, such as role/gpu. */
export interface Layer {
  layer: string;
  sections: Record<string, unknown>;
}

/**
 * Merges layers, widest first: key by key the narrower wins, `null` removes a key (RFC 7396), and an object marked with
 * REPLACE stands alone.
 */
export function mergeLayers(layers: Layer[]): Record<string, unknown> {
  const all = layers.reduce<unknown>((merged, { sections }) => combine(merged, sections), {});
  return settled(all) as Record<string, unknown>;
}
