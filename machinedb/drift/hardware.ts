import { canonical } from '../../shared/canonical.ts';
import { isMembers } from '../../shared/merge.ts';
import type { NewEvent } from '../feed/feed.ts';
import { linkChanges } from './links.ts';
import { type Part, partSections, partsOf } from './parts.ts';

type Sections = Record<string, unknown>;

/** More changes than these in one report are told as one. */
const MANY = 16;

/** What happened to one part between two reports. */
export interface Happened {
  what: 'gone' | 'new' | 'replaced' | 'moved' | 'shrunk' | 'grown' | 'link_fell' | 'link_rose';
  part: Part['kind'] | 'cpu' | 'pci';
  slot: string;
  before?: Record<string, unknown> | undefined;
  after?: Record<string, unknown> | undefined;
}

/**
 * What a report tells of a machine's hardware besides the new facts: a GPU that is gone, a DIMM that shrank, a link that fell.
 * Nothing is told of a section that was not there before, was taken away, or was cut short; of what comes and goes by itself;
 * nor when another system looks (the discovery image, a new installation): it may see less. With another main board, and when
 * more than 16 parts change at once, one event tells all.
 *
 * @param before sections as they were
 * @param changed sections that are reported anew
 */
export function hardwareEvents(node: string, before: Sections, changed: Sections): NewEvent[] {
  const after = { ...before, ...changed };
  if (systemOf(before) !== systemOf(after)) return [];
  const happened = [
    ...partSections
      .filter((section) => section in changed)
      .flatMap((section) => [...compareParts(section, before, after)]),
    ...linkChanges(before, changed),
    ...cpuChanges(before.cpu, changed.cpu),
  ];
  const common = { subject: `node/${node}`, actor: `node/${node}` };
  const boards = [boardOf(before), boardOf(after)] as const;
  const swapped = boards[0] !== undefined && boards[1] !== undefined && boards[0] !== boards[1];
  if (!swapped && happened.length <= MANY)
    return happened.map((each) => {
      const { what, ...data } = each;
      return { ...common, kind: `hardware.${what}`, reason: textOf(each), data };
    });
  const counts = Object.fromEntries(
    [...Map.groupBy(happened, ({ what, part }) => `${part} ${what}`)].map(([key, list]) => [key, list.length]),
  );
  const reason = swapped
    ? 'the main board is another one: its parts are not told one by one'
    : `${happened.length} changes of hardware at once: they are not told one by one`;
  const board = swapped ? { board: { before: boards[0], after: boards[1] } } : {};
  return [{ ...common, kind: 'hardware.changed', reason, data: { ...board, counts } }];
}

/** Which system looked: one that has other drivers sees other parts. */
function systemOf({ os }: Sections): string {
  const { discovery, installation_id } = (isMembers(os) ? os : {}) as Record<string, unknown>;
  return canonical([discovery ?? null, installation_id ?? null]);
}

function boardOf({ system }: Sections): string | undefined {
  const { board, serial } = (isMembers(system) ? system : {}) as { board?: { serial?: unknown }; serial?: unknown };
  const told = board?.serial ?? serial;
  return typeof told === 'string' ? told : undefined;
}

function* compareParts(section: string, before: Sections, after: Sections): Generator<Happened> {
  const [was, is] = [partsOf(section, before[section]), partsOf(section, after[section])];
  if (was === undefined || is === undefined) return;
  const gone = new Set(was);
  const fresh = new Set(is);
  /** Takes out pairs of one key, by a map: a machine may have thousands of parts. */
  const pairs = (keyOf: (part: Part) => string | undefined, fit: (a: Part, b: Part) => boolean = () => true) => {
    const byKey = Map.groupBy(fresh, keyOf);
    return [...gone].flatMap((a): [Part, Part][] => {
      const key = keyOf(a);
      const b = key === undefined ? undefined : byKey.get(key)?.pop();
      if (b === undefined || !fit(a, b)) return [];
      gone.delete(a);
      fresh.delete(b);
      return [[a, b]];
    });
  };
  const unknown = ({ identity }: Part) => identity === undefined;
  const slotOf = ({ slot }: Part) => slot;
  const stayed = [
    ...pairs(({ identity, slot }) => (identity === undefined ? undefined : canonical([identity, slot]))),
    // A part that no serial tells apart is the one that was in its slot.
    ...pairs(slotOf, (a, b) => unknown(a) || unknown(b)),
  ];
  for (const [a, b] of stayed) yield* compareSize(a, b);
  for (const [a, b] of pairs(({ identity }) => identity)) yield moved(a, b);
  for (const [a, b] of pairs(slotOf))
    yield { what: 'replaced', part: a.kind, slot: a.slot, before: a.what, after: b.what };
  // A card that is added or taken out moves the addresses of others; a disk without a serial has whatever name comes first.
  for (const [a, b] of pairs((part) => (unknown(part) ? canonical(part.what) : undefined)))
    if (a.kind !== 'disk') yield moved(a, b);
  for (const { kind, slot, what } of gone) yield { what: 'gone', part: kind, slot, before: what };
  for (const { kind, slot, what } of fresh) yield { what: 'new', part: kind, slot, after: what };
}

function moved(a: Part, b: Part): Happened {
  return {
    what: 'moved',
    part: a.kind,
    slot: a.slot,
    before: { ...a.what, slot: a.slot },
    after: { ...b.what, slot: b.slot },
  };
}

function* compareSize(a: Part, b: Part): Generator<Happened> {
  const [before, after] = [a.size_bytes, b.size_bytes];
  if (before === undefined || after === undefined || before === after) return;
  yield {
    what: after < before ? 'shrunk' : 'grown',
    part: a.kind,
    slot: a.slot,
    before: { size_bytes: before },
    after: { size_bytes: after },
  };
}

/** Sockets and cores. Threads that were switched off are no loss. */
function cpuChanges(before: unknown, after: unknown): Happened[] {
  if (!isMembers(before) || !isMembers(after) || (before.offline ?? 0) !== (after.offline ?? 0)) return [];
  const facts = ['sockets', 'cores'].filter(
    (fact) => typeof before[fact] === 'number' && typeof after[fact] === 'number',
  );
  const differ = facts.filter((fact) => before[fact] !== after[fact]);
  if (differ.length === 0) return [];
  const pick = (data: Record<string, unknown>) => Object.fromEntries(differ.map((fact) => [fact, data[fact]]));
  const less = differ.some((fact) => (after[fact] as number) < (before[fact] as number));
  return [{ what: less ? 'shrunk' : 'grown', part: 'cpu', slot: '', before: pick(before), after: pick(after) }];
}

const words: Record<Happened['what'], string> = {
  gone: 'is gone',
  new: 'is new',
  replaced: 'was replaced',
  moved: 'was moved',
  shrunk: 'has less',
  grown: 'has more',
  link_fell: 'has a slower link',
  link_rose: 'has a faster link',
};

function textOf({ what, part, slot, before, after }: Happened): string {
  const show = (data: object | undefined) =>
    data === undefined
      ? undefined
      : Object.entries(data)
          .map(([fact, value]) => `${fact} ${String(value)}`)
          .join(', ');
  const states = [show(before), show(after)].filter((text) => text !== undefined && text !== '').join(' -> ');
  return `${[part, slot].filter(Boolean).join(' ')} ${words[what]}${states === '' ? '' : `: ${states}`}`.slice(0, 1000);
}
