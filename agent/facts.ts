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
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(compact);
  const members: [string, unknown][] = [];
  for (const key of Object.keys(value)) {
    const member = compact((value as Record<string, unknown>)[key]);
    if (member !== undefined) members.push([key, member]);
  }
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
