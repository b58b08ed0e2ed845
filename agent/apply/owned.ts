import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../durable-file.ts';
import { header, type Section } from './change.ts';
import { modeOf, readText, writeFile } from './files.ts';
import { withoutMarks } from './ssh.ts';

/** Path → section of what the agent has written, wholly or in part. */
export type Owned = Record<string, Section>;

const ownedFile = (state: string) => join(state, 'owned.json');
const releasedFile = (state: string) => join(state, 'released.json');

export function ownedFiles(state: string): Owned {
  return read<Owned>(ownedFile(state)) ?? {};
}

/** Keeps what a confirmed change has made the agent's, and what it has removed. */
export function rememberOwned(state: string, files: { path: string; section: Section; gone: boolean }[]): void {
  if (files.length === 0) return;
  const owned = ownedFiles(state);
  for (const { path, section, gone } of files) {
    if (gone) delete owned[path];
    else owned[path] = section;
  }
  writeDurably(ownedFile(state), JSON.stringify(owned), 0o600);
}

/** Sections that people have taken back on this machine: they are not applied. */
export function releasedSections(state: string): Section[] {
  return read<Section[]>(releasedFile(state)) ?? [];
}

/**
 * Hands files back: they stay as they are and in force, without the marks by which the agent knows its own, and their sections
 * are applied no more. Answers the files.
 */
export function releaseSections(root: string, state: string, sections: readonly Section[]): string[] {
  // First the word, then the files: cut off in between, nothing is written to them any more.
  const released = new Set([...releasedSections(state), ...sections]);
  writeDurably(releasedFile(state), JSON.stringify([...released]), 0o600);
  const owned = ownedFiles(state);
  const given = Object.keys(owned).filter((path) => sections.includes(owned[path]!));
  for (const path of given) {
    const text = readText(root, path);
    if (text === undefined) continue;
    const plain = withoutMarks(text.startsWith(header) ? text.slice(header.length + 1) : text);
    if (plain !== text) writeFile(root, path, plain, modeOf(root, path) ?? 0o644);
  }
  const kept = Object.entries(owned).filter(([path]) => !given.includes(path));
  writeDurably(ownedFile(state), JSON.stringify(Object.fromEntries(kept)), 0o600);
  return given;
}

/** Lets sections be applied again. */
export function takeBack(state: string, sections: readonly Section[]): void {
  const left = releasedSections(state).filter((section) => !sections.includes(section));
  writeDurably(releasedFile(state), JSON.stringify(left), 0o600);
}

function read<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
