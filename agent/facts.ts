import { observers } from './sections/index.ts';
import type { System } from './system.ts';

type Observers = typeof observers;
export type SectionName = keyof Observers;

/** What a machine says about itself; a section is absent when the machine has nothing to say on it, or it failed. */
export interface Facts {
  sections: { [Name in SectionName]?: NonNullable<ReturnType<Observers[Name]>> };
  /** Section → why it could not be observed. */
  errors: { [Name in SectionName]?: string };
}

/** Observes every section of `system`. A section that throws is an entry in `errors` and hides no other. */
export function observeAll(system: System): Facts {
  return observeEach(observers, system) as Facts;
}

/** As `observeAll`, over any table of sections. */
export function observeEach(
  table: Record<string, (system: System) => object | undefined>,
  system: System,
): { sections: Record<string, object>; errors: Record<string, string> } {
  const sections: Record<string, object> = {};
  const errors: Record<string, string> = {};
  // What several sections look at is looked at once in an observation, and again in the next: see parse/once.ts.
  const now = { ...system };
  return system.during(() => {
    for (const [name, observe] of Object.entries(table)) {
      try {
        const section = compact(observe(now));
        if (section !== undefined) sections[name] = section as object;
      } catch (error) {
        errors[name] = error instanceof Error ? error.message : String(error);
      }
    }
    return { sections, errors };
  });
}

// Absent is absent: no `undefined` members and no empty objects in a report, so that equal machines are equal JSON.
function compact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(compact);
  if (value === null || typeof value !== 'object') return value;
  const members = Object.entries(value)
    .map(([key, member]) => [key, compact(member)] as const)
    .filter(([, member]) => member !== undefined);
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
