import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../durable-file.ts';
import type { Change, Section } from './change.ts';
import { modeOf, writeFile } from './files.ts';
import type { Links } from './network/links.ts';
import type { Renderer } from './network/renderer.ts';
import { rememberOwned } from './owned.ts';

/** An apply that is not confirmed: what the files were before. */
export interface Pending {
  generation: number;
  /** Sections that it changes, and interfaces among them. */
  sections: Section[];
  interfaces: string[];
  /** What configures the network, and the links of ours that software makes, before and after. */
  renderer: Renderer;
  links: { before: Links; after: Links };
  /** The VRF in which the server is reached afterwards; absent: in none. */
  vrf?: string;
  /** MTU by interface, bytes, before: a file that says none leaves the one that is. */
  mtus: Record<string, number>;
  /** Boot (boot_id) that it was made for by next-boot.ts; absent: it was made on a running system. */
  boot?: string;
  files: { path: string; section: Section; before: string | null; mode: number; gone: boolean }[];
}

/** An apply that was undone. */
export interface Undone {
  generation: number;
  reason: string;
  /** The cause lies elsewhere, as when the server is away: the same generation may be tried again. */
  again: boolean;
}

const pendingFile = (state: string) => join(state, 'pending.json');
const undoneFile = (state: string) => join(state, 'last-undo.json');
const linksFile = (state: string) => join(state, 'links.json');
const vrfFile = (state: string) => join(state, 'vrf.json');

/** The VRF in which the last confirmed change reaches the server; undefined: in none. */
export function confirmedVrf(state: string): string | undefined {
  return readJson<{ vrf?: string }>(vrfFile(state))?.vrf;
}

/** The apply that waits for its confirmation; undefined: none. */
export function readPending(state: string): Pending | undefined {
  return readJson<Pending>(pendingFile(state));
}

/** Keeps, durably, how everything is before it is changed. */
export function writePending(root: string, state: string, pending: Omit<Pending, 'files'>, changes: Change[]): void {
  const files = changes.map(({ path, section, before, after, mode }) => ({
    ...{ path, section, before: before ?? null },
    mode: modeOf(root, path) ?? mode,
    gone: after === undefined,
  }));
  writeDurably(pendingFile(state), JSON.stringify({ ...pending, files } satisfies Pending), 0o600);
}

/** The change is right: there is nothing to be undone any more. Throws when it was undone meanwhile. */
export function confirmPending(state: string): void {
  const confirmed = join(state, 'confirmed.json');
  const { links, vrf, files = [] } = readPending(state) ?? {};
  // Before the rename: links that are told as made, and are not, do no harm.
  if (links !== undefined) writeDurably(linksFile(state), JSON.stringify({ ...links.before, ...links.after }), 0o600);
  if (links !== undefined) writeDurably(vrfFile(state), JSON.stringify({ vrf }), 0o600);
  try {
    renameSync(pendingFile(state), confirmed);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('the change was undone before it was confirmed');
  }
  // The folder's entry must be gone on the disk, too: a power cut now must not undo what was confirmed.
  writeDurably(confirmed, '{}', 0o600);
  if (links !== undefined) writeDurably(linksFile(state), JSON.stringify(links.after), 0o600);
  rememberOwned(state, files);
  rmSync(undoneFile(state), { force: true });
}

/** The links that software makes and that a confirmed change of ours has made. */
export function ownLinks(state: string): Links {
  return readJson<Links>(linksFile(state)) ?? {};
}

export function lastUndone(state: string): Undone | undefined {
  return readJson<Undone>(undoneFile(state));
}

/**
 * Puts every file of a pending apply back, and remembers why. Safe to be cut off and begun again at any point: the pending
 * apply is forgotten only when all is as it was. Throws what kept a file from being put back, after all others were.
 *
 * @returns what was undone; undefined: nothing was pending
 */
export function restore(root: string, state: string, reason: string, again = false): Pending | undefined {
  const pending = readPending(state);
  if (pending === undefined) return undefined;
  const failures: unknown[] = [];
  for (const { path, before, mode } of pending.files) {
    // One that cannot be put back must not keep the others from it.
    try {
      writeFile(root, path, before ?? undefined, mode);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  rememberUndone(state, { generation: pending.generation, reason, again });
  rmSync(pendingFile(state), { force: true });
  return pending;
}

/** Keeps, durably, what was undone and why. */
export function rememberUndone(state: string, undone: Undone): void {
  writeDurably(undoneFile(state), JSON.stringify(undone), 0o600);
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(
      `${file} cannot be read (${(error as Error).message}): remove it when the machine's configuration is right`,
    );
  }
}
