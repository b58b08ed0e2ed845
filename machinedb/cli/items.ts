import { readFileSync } from 'node:fs';
import { Failure } from './failure.ts';
import type { Terminal } from './run.ts';

/** The rows in a JSON file (-: standard input): a list, or an object with a list `items`, as lists are printed by --json. */
export function readItems(file: string, terminal: Terminal): unknown {
  const text = file === '-' ? terminal.readInput() : readText(file);
  try {
    const parsed = JSON.parse(text) as unknown;
    return Array.isArray(parsed) ? parsed : (parsed as { items?: unknown }).items;
  } catch (error) {
    throw new Failure(`${file} is not JSON: ${(error as Error).message}`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`);
  }
}
