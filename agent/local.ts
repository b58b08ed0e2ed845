import { planChanges } from './apply/apply.ts';
import { describeChange, order, type Section } from './apply/change.ts';
import { ownedFiles, releasedSections, releaseSections, takeBack } from './apply/owned.ts';
import type { Wanted } from './apply/sections.ts';
import { roundTrip } from './client/enrolment.ts';
import type { Server } from './client/http.ts';
import { keptIdentity } from './client/identity.ts';
import { openTrust } from './client/trust-store.ts';
import { wantedOf } from './client/wanted.ts';
import type { Run } from './command.ts';
import { observeAll } from './facts.ts';
import type { System } from './system.ts';

/** The machine that a command of this file is about. */
export interface Place {
  root: string;
  /** The agent's state directory. */
  state: string;
  system: System;
  run: Run;
  /** Pins of the CAs that the agent was given, hexadecimal. */
  pins: readonly string[];
}

/** What an apply of the newest wanted state that this node has would do: a difference per file, then what is reloaded. */
export function dryRun({ root, state, system, run, pins }: Place): string {
  const facts = observeAll(system);
  const node = keptIdentity(state)?.node;
  const signed = node === undefined ? undefined : wantedOf(state, node, openTrust(state, pins));
  if (signed === undefined)
    throw new Error(`${state} holds no wanted state that is signed for this node: nothing is wanted yet`);
  const released = new Set<string>(releasedSections(state));
  const wanted = Object.fromEntries(
    Object.entries(signed.wanted).filter(([section]) => !released.has(section)),
  ) as Wanted;
  const { sections, changes } = planChanges({ root, run, wanted, facts });
  if (sections.length === 0) return `generation ${signed.generation}: nothing to do`;
  return [
    `generation ${signed.generation}`,
    ...changes.map((change) => `\n${describeChange(change)}`),
    '',
    ...sections.map((section) => `reload ${section}`),
  ].join('\n');
}

/** One signed round trip to the server, as this node; throws when it fails. */
export async function probe(
  { state, pins }: Pick<Place, 'state' | 'pins'>,
  server: Omit<Server, 'pins'>,
  from: string | undefined,
): Promise<void> {
  const identity = keptIdentity(state);
  if (identity?.node === undefined) throw new Error(`${state} holds no node: this machine is not enrolled`);
  const trust = openTrust(state, pins);
  await roundTrip({ ...server, pins: () => trust.pins() }, identity, identity.node, from);
}

/** The files that the agent has written, a line each. */
export function listOwned({ state }: Pick<Place, 'state'>): string {
  const lines = Object.entries(ownedFiles(state)).map(([path, section]) => `${section.padEnd(9)} ${path}`);
  const released = releasedSections(state).map((section) => `${section.padEnd(9)} released: applied no more`);
  return [...lines.sort(), ...released].join('\n');
}

/** Hands the files of sections back to people, or, with `back`, lets them be applied again. Without names: of all. */
export function releaseFiles({ root, state }: Pick<Place, 'root' | 'state'>, names: string[], back: boolean): string {
  const unknown = names.find((name) => !(order as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new Error(`there is no section "${unknown}" to release: there are ${order.join(', ')}`);
  const sections = names.length === 0 ? order : (names as Section[]);
  if (back) {
    takeBack(state, sections);
    return `applied again: ${sections.join(', ')}`;
  }
  const files = releaseSections(root, state, sections);
  return [...files.map((path) => `${path} is yours`), `applied no more: ${sections.join(', ')}`].join('\n');
}
