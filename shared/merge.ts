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

/** One layer's intent: section → data. `layer` is its subject, such as role/gpu. */
export interface Layer {
  layer: string;
  sections: Record<string, unknown>;
}

/** Merges layers, widest first: the narrower wins key by key. */
export function mergeLayers(layers: Layer[]): Record<string, unknown> {
  return layers.reduce<Members>((merged, { sections }) => mergePatch(merged, sections) as Members, {});
}
