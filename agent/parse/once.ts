import type { System } from '../system.ts';

/**
 * A look that is taken once per observation: each observation has a `System` of its own (facts.ts), and what was seen by way of it
 * is forgotten with it.
 */
export function once<T>(look: (system: System) => T): (system: System) => T {
  const seen = new WeakMap<System, { value: T }>();
  return (system) => {
    const known = seen.get(system) ?? { value: look(system) };
    seen.set(system, known);
    return known.value;
  };
}
