import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../durable-file.ts';
import type { Applied } from './apply.ts';
import type { Change } from './change.ts';
import { writeFile } from './files.ts';
import { type Pending, readPending, writePending } from './snapshot.ts';

/** A change that waits for the next boot. */
interface Staged {
  pending: Omit<Pending, 'files'>;
  changes: Change[];
}

const stagedFile = (state: string) => join(state, 'next-boot.json');

/** Keeps a checked change, durably, for the next boot: for a move that goes with a change of the switch. */
export function stageForNextBoot(
  { state }: { state: string },
  pending: Omit<Pending, 'files'>,
  changes: Change[],
  steps: string[],
): Applied {
  if (readStaged(state) === undefined)
    writeDurably(stagedFile(state), JSON.stringify({ pending, changes } satisfies Staged), 0o600);
  return { outcome: 'planned', steps, reason: 'it is done at the next boot' };
}

/**
 * At boot, before the network: writes the files of a change that waited for it. It is then pending, and is proven or undone by
 * the agent as any other. Safe to be cut off: what waited is forgotten last.
 *
 * @returns whether there was one
 */
export function takeStaged(root: string, state: string, bootId: string): boolean {
  const staged = readStaged(state);
  if (staged === undefined) return false;
  if (readPending(state) === undefined) writePending(root, state, { ...staged.pending, boot: bootId }, staged.changes);
  for (const { path, after, mode } of staged.changes) writeFile(root, path, after, mode);
  rmSync(stagedFile(state), { force: true });
  return true;
}

/** Forgets what waits for the next boot, but for this generation: the intent is another now. */
export function dropStaged(state: string, generation?: number): void {
  if (readStaged(state)?.pending.generation !== generation) rmSync(stagedFile(state), { force: true });
}

function readStaged(state: string): Staged | undefined {
  try {
    return JSON.parse(readFileSync(stagedFile(state), 'utf8')) as Staged;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
