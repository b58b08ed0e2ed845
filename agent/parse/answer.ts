import type { System } from '../system.ts';

/**
 * Reads a file of our own making (system.ts), in JSON.
 * @returns undefined where there is none
 * @throws when it holds something else, as in a capture that was changed
 */
export function answerIn(system: System, path: string): Record<string, unknown> | undefined {
  const text = system.read(path);
  if (text === undefined) return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(`${path} is not JSON: it was not understood`);
  }
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer))
    throw new Error(`${path} holds no object: it was not understood`);
  return answer as Record<string, unknown>;
}
