import { ANSWERS, type System, textOf } from './system.ts';
import { optionalTool, type ToolAnswer, type ToolName } from './tools.ts';

/** A question to an optional tool. */
export interface Question {
  /** Name of the answer's file in ANSWERS. */
  file: string;
  tool: ToolName;
  args: string[];
  timeoutMs: number;
  maxBytes: number;
}

type Ask = (tool: ToolName, args: string[], limits: Question) => Promise<ToolAnswer | undefined>;

/**
 * Asks optional tools, one after another, what no file tells.
 * @returns the system with each answer as a file of ANSWERS; without it where the tool is not installed. Reading one throws when
 * the tool failed (it said nothing at all), so that its facts do not vanish with it.
 */
export async function askTools(system: System, questions: Question[], ask: Ask = optionalTool): Promise<System> {
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
