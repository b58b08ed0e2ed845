import { differences, isDegradation } from '../../shared/diff.ts';
import type { Run } from '../command.ts';
import type { Facts } from '../facts.ts';
import { arm, disarm } from './arm.ts';
import { type Change, describeChange, order, type Section } from './change.ts';
import { configureAgain, ServerAway, waitForProof } from './confirm.ts';
import { writeFile } from './files.ts';
import { linksOf, type Way, wayTo } from './network/links.ts';
import type { Ask } from './network/name-servers.ts';
import { missingRoutes } from './network/probe.ts';
import { rendererOf } from './network/renderer.ts';
import { dropStaged, stageForNextBoot } from './next-boot.ts';
import { releasedSections } from './owned.ts';
import { appliers, type Wanted } from './sections.ts';
import {
  confirmedVrf,
  confirmPending,
  lastUndone,
  ownLinks,
  type Pending,
  readPending,
  rememberUndone,
  restore,
  writePending,
} from './snapshot.ts';

export interface ApplyOptions {
  /** Folder that stands for /. */
  root: string;
  /** The agent's state directory. */
  state: string;
  run: Run;
  wanted: Wanted;
  generation: number;
  mode: 'plan' | 'enforce';
  /** Looks at the machine anew. */
  observe: () => Facts;
  /** A signed round trip to the server by a way of this machine, or as it speaks now; throws when it fails. */
  probe: (way?: Way) => Promise<void>;
  /** The server's host, as its URL has it. */
  host: string;
  /** How name servers are asked; absent: by the network. */
  ask?: Ask;
  /** How long a change may be without confirmation, milliseconds; what the intent says is stronger. */
  deadlineMs: number;
  /** Milliseconds, forward only. */
  clock: () => number;
  sleep: (ms: number) => Promise<void>;
}

export interface Applied {
  outcome: 'same' | 'planned' | 'applied' | 'undone' | 'failed' | 'skipped';
  /** A text per file or command. */
  steps: string[];
  reason?: string;
}

const AGAIN_MS = 1000;
/** How long a machine may take until what was written shows. */
const SETTLE_MS = 15_000;

/**
 * Makes a machine be as wanted: plan, check, snapshot, write, reload, confirm, look again. What cannot be confirmed, or does not
 * show, is undone, and its generation is not tried again.
 */
export async function applyWanted(given: ApplyOptions): Promise<Applied> {
  const options = { ...given, deadlineMs: deadlineOf(given), wanted: withoutReleased(given) };
  const { root, state, wanted, generation, mode, run } = options;
  const facts = options.observe();
  const { sections, changes } = planChanges({ root, run, wanted, facts });
  if (sections.length === 0) return { outcome: 'same', steps: [] };
  const steps = [
    ...changes.map(describeChange),
    ...sections.map((section) => describeReload(section, changes, options, facts)),
  ];
  if (mode === 'plan') return { outcome: 'planned', steps };
  dropStaged(state, generation);
  const undone = lastUndone(state);
  if (undone?.generation === generation && !undone.again) return { outcome: 'skipped', steps, reason: undone.reason };
  if (readPending(state) !== undefined) throw new Error('another change of this machine is not confirmed yet');
  const pending: Omit<Pending, 'files'> = {
    ...{ generation, sections, interfaces: Object.keys(wanted.network?.interfaces ?? {}) },
    ...vrfTo(options),
    renderer: rendererOf(root, wanted.network?.unobserved?.renderer),
    links: { before: ownLinks(state), after: linksOf(wanted.network?.interfaces ?? {}) },
    mtus: mtusOf(facts, Object.keys(wanted.network?.interfaces ?? {})),
  };
  try {
    for (const section of sections) {
      const own = changes.filter((each) => each.section === section);
      appliers[section].check?.({ root, run, wanted, facts, changes: own, scratch: `${state}/check-` });
    }
  } catch (error) {
    // Nothing was touched; the same would be refused again.
    const reason = (error as Error).message;
    rememberUndone(state, { generation, reason, again: false });
    return { outcome: 'undone', steps, reason };
  }
  if (sections.includes('network')) {
    if (wanted.network?.unobserved?.apply === 'next_boot') return stageForNextBoot(options, pending, changes, steps);
    const away = await failure(() => options.probe());
    if (away !== undefined)
      return { outcome: 'skipped', steps, reason: `nothing is begun while the server is away: ${away}` };
  }
  writePending(root, state, pending, changes);
  // What it takes to make the change is of its deadline: the timer counts it, too.
  const end = options.clock() + options.deadlineMs;
  arm(options);
  try {
    const whole = readPending(state)!;
    for (const section of sections) appliers[section].leave?.({ root, run, pending: whole });
    for (const { path, after, mode: bits } of changes) writeFile(root, path, after, bits);
    for (const section of sections) appliers[section].reload({ root, run, pending: whole, undoing: false });
    await prove(options, sections, end);
  } catch (error) {
    return { outcome: 'undone', steps, reason: await undoAndLearn(options, error as Error) };
  }
  disarm(run);
  return { outcome: 'applied', steps };
}

/**
 * How a machine stands to what is wanted, but for certificates that end: `missing` is what its files say already and does not show. A
 * plan that cannot be made is told of by the apply.
 */
export function standingOf(
  given: Pick<ApplyOptions, 'root' | 'state' | 'run' | 'wanted' | 'observe'>,
): 'same' | 'missing' | 'different' {
  const { root, run, observe } = given;
  try {
    const { sections, changes } = planChanges({ root, run, wanted: withoutReleased(given), facts: observe() });
    return sections.length === 0 ? 'same' : changes.length === 0 ? 'missing' : 'different';
  } catch {
    return 'different';
  }
}

/** Proves, or undoes, the change that this boot began with; see next-boot.ts. */
export async function proveBoot(given: ApplyOptions): Promise<Applied> {
  const options = { ...given, deadlineMs: deadlineOf(given) };
  const { sections } = readPending(options.state)!;
  try {
    await prove(options, sections, options.clock() + options.deadlineMs);
  } catch (error) {
    return { outcome: 'undone', steps: [], reason: await undoAndLearn(options, error as Error) };
  }
  disarm(options.run);
  return { outcome: 'applied', steps: [] };
}

/**
 * Where the server does not answer, what is wanted and in files that are in force is configured once more if it is missing: it
 * may be why. Files stay as they are; others than those that are wanted are let alone.
 */
export function mendWhileAway(given: Pick<ApplyOptions, 'root' | 'state' | 'run' | 'wanted' | 'observe'>): void {
  const { root, state, run } = given;
  const wanted = withoutReleased(given);
  if (missingRoutes(run, wanted.network ?? {}).length === 0 || readPending(state) !== undefined) return;
  const machine = { root, run, wanted };
  try {
    if (appliers.network.plan({ ...machine, facts: given.observe() }).length > 0) return;
  } catch {
    // What cannot be planned is not in force; the apply tells why.
    return;
  }
  configureAgain(machine);
}

/** What has to change, and which sections are not as wanted. */
export function planChanges(machine: { root: string; run: Run; wanted: Wanted; facts: Facts }) {
  const changes = order.flatMap((section) => appliers[section].plan(machine));
  const sections = order.filter(
    (section) =>
      isDifferent(machine.wanted, machine.facts, section) || changes.some((each) => each.section === section),
  );
  return { sections, changes };
}

/** A pending change is right when the server answers, all that is wanted is there, and what was applied shows. */
async function prove(options: ApplyOptions, sections: Section[], end: number): Promise<void> {
  if (readPending(options.state) === undefined)
    throw new Error(`it took longer than the ${options.deadlineMs / 1000} s that it has to make the change`);
  if (sections.some((section) => appliers[section].problem !== undefined)) await waitForProof(options, end);
  await settle(options, sections, end);
  confirmPending(options.state);
}

/**
 * Undoes what could not be proven. Where only the server was missing, the old network tells why: if it answers over that, the
 * new one was wrong; if it does not, the server is away, and the change may be tried again.
 */
async function undoAndLearn(options: ApplyOptions, error: Error): Promise<string> {
  const { state, clock, sleep, probe } = options;
  const away = error instanceof ServerAway;
  const generation = readPending(state)?.generation;
  undo(options, error.message, away);
  if (!away || generation === undefined) return error.message;
  for (const end = clock() + SETTLE_MS; clock() < end; await sleep(AGAIN_MS)) {
    if ((await failure(() => probe())) !== undefined) continue;
    const reason = `${error.message}; over the configuration before it does: a wrong mask or route, or a firewall is in the way`;
    rememberUndone(state, { generation, reason, again: false });
    return reason;
  }
  return error.message;
}

/** Undoes what is pending, and lets the old files be in force. */
export function undo(
  { root, state, run }: Pick<ApplyOptions, 'root' | 'state' | 'run'>,
  reason: string,
  again = false,
): boolean {
  const pending = readPending(state);
  if (pending === undefined) return false;
  // One that fails must not keep the others from being as they were.
  const each = (act: (section: Section) => void) => {
    for (const section of pending.sections) {
      try {
        act(section);
      } catch {}
    }
  };
  each((section) => appliers[section].leave?.({ root, run, pending }));
  try {
    restore(root, state, reason, again);
  } finally {
    disarm(run);
    each((section) => appliers[section].reload({ root, run, pending, undoing: true }));
  }
  return true;
}

/** The VRF that the wanted way to the server is in; without a wanted network it stays where it is. */
function vrfTo({ wanted, host, state }: ApplyOptions): Pick<Pending, 'vrf'> {
  const vrf = wanted.network === undefined ? confirmedVrf(state) : wayTo(wanted.network.interfaces ?? {}, host)?.vrf;
  return vrf === undefined ? {} : { vrf };
}

/** The MTU that interfaces have now. */
function mtusOf(facts: Facts, names: string[]): Record<string, number> {
  const { interfaces = {} } = facts.sections.network ?? {};
  return Object.fromEntries(
    names.flatMap((name) => (interfaces[name]?.mtu === undefined ? [] : [[name, interfaces[name].mtu]])),
  );
}

/** What people have taken back on this machine is theirs. */
function withoutReleased({ state, wanted }: Pick<ApplyOptions, 'state' | 'wanted'>): Wanted {
  const released = new Set<string>(releasedSections(state));
  return Object.fromEntries(Object.entries(wanted).filter(([section]) => !released.has(section)));
}

const deadlineOf = ({ wanted, deadlineMs }: ApplyOptions) =>
  (wanted.network?.unobserved?.confirm_within_s ?? deadlineMs / 1000) * 1000;

const failure = (act: () => Promise<void>): Promise<string | undefined> =>
  act().then(
    () => undefined,
    (error: Error) => error.message,
  );

function isDifferent(wanted: Wanted, facts: Facts, section: Section): boolean {
  return undoableDifferences(wanted, facts, section).length > 0;
}

/** What applying mends, or its undo: a bond's member without a link is neither. */
function undoableDifferences(wanted: Wanted, facts: Facts, section: Section) {
  if (wanted[section] === undefined) return [];
  return differences(wanted[section], facts.sections[section]).filter(({ path }) => !isDegradation(section, path));
}

/** The first thing that is not as wanted, in words. */
function describeDifference(wanted: Wanted, facts: Facts, section: Section, when = ''): string {
  const [first] = undoableDifferences(wanted, facts, section);
  const got = first?.got === undefined ? 'nothing' : JSON.stringify(first.got);
  return `${section}${first?.path} is ${got}${when}, wanted ${JSON.stringify(first?.expected)}`;
}

/** A reload that no file asks for says why it is done. */
function describeReload(section: Section, changes: Change[], { wanted }: ApplyOptions, facts: Facts): string {
  const why = changes.some((each) => each.section === section) ? '' : `: ${describeDifference(wanted, facts, section)}`;
  return `reload ${section}${why}`;
}

/** What was applied must show. */
async function settle(
  { wanted, observe, clock, sleep }: ApplyOptions,
  sections: Section[],
  deadline: number,
): Promise<void> {
  for (const end = Math.min(clock() + SETTLE_MS, deadline); ; ) {
    const facts = observe();
    const [section] = sections.filter((each) => isDifferent(wanted, facts, each));
    if (section === undefined) return;
    if (clock() >= end) {
      throw new Error(describeDifference(wanted, facts, section, ' after it was applied'));
    }
    await sleep(AGAIN_MS);
  }
}
