import { canonical } from './canonical.ts';
import { type Expectation, type Expectations, fits, type Test } from './expectation.ts';
import { isMembers } from './merge.ts';

type Members = Record<string, unknown>;

/** Facts of a section that a profile made from a node holds fast; `at_least` for versions, which only rise. */
const facts: Record<string, { equal?: string[]; at_least?: string[] }> = {
  system: { equal: ['manufacturer', 'product'] },
  cpu: { equal: ['model', 'sockets', 'cores', 'threads', 'smt'] },
  memory: { equal: ['error_correction'] },
  firmware: { equal: ['mode', 'vendor', 'secure_boot'], at_least: ['version'] },
  bmc: { at_least: ['firmware'] },
  tpm: { equal: ['version', 'manufacturer'] },
};

/** What makes parts of a section one kind, and what each of a kind is held to when all are alike in it. */
const parts: Record<string, { in: string; of: string[]; each: string[]; skip?: (part: Members) => boolean }> = {
  memory: { in: 'dimms', of: ['size_bytes', 'type'], each: ['configured_mts', 'ecc'] },
  gpus: { in: '', of: ['vendor', 'device', 'model'], each: ['link.max_speed_gts', 'link.width', 'memory_bytes'] },
  nics: { in: '', of: ['kind', 'driver', 'speed_mbps'], each: [], skip: (part) => part.pci === undefined },
  // What is on USB comes and goes.
  disks: { in: '', of: ['model', 'size_bytes', 'transport'], each: [], skip: ({ transport }) => transport === 'usb' },
};

/** What a machine like this one is expected to have. Serials, addresses and what changes by itself stay out. */
export function expectationsFrom(observed: Members): Expectations {
  const expected: Expectations = {};
  for (const section of new Set([...Object.keys(facts), ...Object.keys(parts)])) {
    const data = observed[section];
    if (!isMembers(data)) continue;
    const of = { ...factsFrom(section, data), ...partsFrom(section, data) };
    if (Object.keys(of).length > 0) expected[section] = of;
  }
  return expected;
}

function factsFrom(section: string, data: Members): Pick<Expectation, 'facts'> {
  const { equal = [], at_least = [] } = facts[section] ?? {};
  const told = [
    ...equal.flatMap((fact): [string, Test][] => factOf(data, fact).map((value) => [fact, value])),
    ...at_least.flatMap((fact): [string, Test][] =>
      factOf(data, fact).map((value) => [fact, { at_least: String(value) }]),
    ),
  ];
  return told.length === 0 ? {} : { facts: Object.fromEntries(told) };
}

function partsFrom(section: string, data: Members): Pick<Expectation, 'parts'> {
  const rule = parts[section];
  if (rule === undefined) return {};
  const { truncated: _, ...found } = (rule.in === '' ? data : (data[rule.in] ?? {})) as Members;
  const all = Object.values(found).filter(isMembers);
  const kept = all.filter((part) => rule.skip?.(part) !== true);
  const kinds = Map.groupBy(kept, (part) => canonical(told([part], rule.of)));
  const groups = [...kinds.values()]
    .sort((a, b) => b.length - a.length)
    .map((kind) => {
      const of = told(kind, rule.of);
      // A kind that tells less is also what others are that tell more.
      const alike = all.filter((part) => fits(of, part) === true);
      const each = told(alike, rule.each);
      return {
        count: alike.length,
        ...(Object.keys(of).length === 0 ? {} : { of }),
        ...(Object.keys(each).length === 0 ? {} : { each }),
      };
    });
  const label = section === 'memory' ? 'dimms' : section;
  return groups.length === 0
    ? {}
    : { parts: Object.fromEntries(groups.map((group, i) => [i === 0 ? label : `${label}${i + 1}`, group])) };
}

/** Facts that all of these parts tell, and tell alike. */
function told(alike: Members[], list: string[]): Record<string, Test> {
  return Object.fromEntries(
    list.flatMap((fact) => {
      const values = alike.map((part) => factOf(part, fact)[0]);
      return values[0] !== undefined && values.every((value) => value === values[0]) ? [[fact, values[0]]] : [];
    }),
  );
}

/** The fact, a single value; else nothing. */
function factOf(data: Members, fact: string): (boolean | number | string)[] {
  const value = fact
    .split('.')
    .reduce((at: unknown, key) => (isMembers(at) && Object.hasOwn(at, key) ? at[key] : undefined), data);
  return ['boolean', 'number', 'string'].includes(typeof value) && value !== ''
    ? [(typeof value === 'string' ? value.slice(0, 500) : value) as string]
    : [];
}
