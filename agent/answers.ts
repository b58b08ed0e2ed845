import { ANSWERS, type System, textOf } from './system.ts';
import type { ToolAnswer, ToolName } from './tools.ts';

/** A question to an optional tool. */
export interface Question {
  /** Name of the answer's file in ANSWERS. */
  file: string;
  tool: ToolName;
  args: string[];
  timeoutMs: number;
  maxBytes: number;
  /** What the kernel tells of the thing that is asked about: an answer is of it, and of no other that takes its place. */
  about?: string;
}

export type Ask = (tool: ToolName, args: string[], limits: Question) => Promise<ToolAnswer | undefined>;

/**
 * An `ask` that does not repeat a question for a while, for an agent that looks every minute. Where a tool fails, what it said last
 * stands.
 * @param now milliseconds; may begin anywhere
 */
export function remembering(ask: Ask, now: () => number, forMs: number): Ask {
  const known = new Map<string, { answer: ToolAnswer | undefined; until: number }>();
  return async (tool, args, question) => {
    const key = JSON.stringify([tool, args, question.about]);
    const last = known.get(key);
    if (last !== undefined && now() < last.until) return last.answer;
    const answer = await ask(tool, args, question);
    const failed = answer !== undefined && 'error' in answer;
    const kept = failed && last?.answer !== undefined ? last.answer : answer;
    if (known.size >= MOST_KEPT) known.clear();
    known.set(key, { answer: kept, until: now() + forMs });
    return kept;
  };
}
/** More than there are questions; disks that were taken out are forgotten with it. */
const MOST_KEPT = 1024;

/**
 * Asks optional tools, one after another, what no file tells.
 * @returns the system with each answer as a file of ANSWERS; without it where the tool is not installed. Reading one throws when
 * the tool failed (it said nothing at all), so that its facts do not vanish with it.
 */
export async function askTools(system: System, questions: Question[], ask: Ask): Promise<System> {
  // A captured machine has its answers as files.
  if (system.root !== '') return system;
  const answers = new Map<string, Buffer | Error>();
  for (const question of questions) {
    const answer = await ask(question.tool, question.args, question);
    if (answer !== undefined) answers.set(`${ANSWERS}/${question.file}`, contentOf(question.tool, answer));
  }
  const readBytes = (path: string) => {
    if (!path.startsWith(`${ANSWERS}/`)) return system.readBytes(path);
    const answer = answers.get(path);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { ...system, readBytes, read: (path) => textOf(readBytes(path)) };
}

function contentOf(tool: ToolName, answer: ToolAnswer): Buffer | Error {
  if ('error' in answer) return new Error(answer.error);
  if (answer.stdout.length === 0) return new Error(`${tool} ended with status ${answer.status} and said nothing`);
  return answer.stdout;
}
