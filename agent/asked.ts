import { statSync } from 'node:fs';
import { askBmc, IPMI_DEVICES, type Tool } from './bmc/ask.ts';
import { IPMI_ANSWER, type System, TPM_ANSWER, textOf } from './system.ts';
import { askDevice } from './tpm/device.ts';

/** What the agent asks of others, and how patiently. */
export interface Doors {
  tpm: () => Promise<object | undefined>;
  /** undefined: there is none, or nothing to ask it with. */
  bmc: () => Promise<object | undefined>;
  /** Milliseconds; may begin anywhere. */
  now: () => number;
  /** How long an observation waits for an answer that was just asked for. */
  patienceMs: number;
}

const DAY_MS = 24 * 3600 * 1000;
const HOUR_MS = 3600 * 1000;

/** The doors of this machine. */
export function doors(): Doors {
  const hasIpmi = () => IPMI_DEVICES.some((device) => statSync(device, { throwIfNoEntry: false }) !== undefined);
  return {
    tpm: () => askDevice(),
    bmc: async () => (hasIpmi() ? await askBmc(runTool) : undefined),
    now: () => performance.now(),
    patienceMs: 5000,
  };
}

/** A controller may take seconds for an answer. */
const LIMITS = { timeoutMs: 60_000, maxBytes: 1024 * 1024 };

const runTool: Tool = async (command, args) => {
  // Loaded by those who ask a program, as `facts` starts in half the time without it.
  const { optionalTool } = await import('./tools.ts');
  const answer = await optionalTool(command, args, LIMITS);
  if (answer !== undefined && 'error' in answer) throw new Error(answer.error);
  return answer && { status: answer.status, stdout: answer.stdout.toString() };
};

/**
 * Makes a function that asks the machine's controllers and gives a system with the answers as files of ours (system.ts): the TPM once, the management controller once a day; what failed an hour later. Some break when they are asked
 * often, and none holds up a heartbeat. A captured machine has its answers.
 */
export function controllerAsker(doors: Doors): (system: System) => Promise<System> {
  const files = [
    { path: TPM_ANSWER, answer: remembered('the TPM', doors.tpm, Number.POSITIVE_INFINITY, doors) },
    { path: IPMI_ANSWER, answer: remembered('the management controller', doors.bmc, DAY_MS, doors) },
  ];
  return async (system) => {
    if (system.root !== '') return system;
    const answers = new Map<string, Buffer | Error>();
    for (const { path, answer } of files) {
      const given = await answer();
      if (given !== undefined) answers.set(path, given);
    }
    return withAnswers(system, answers);
  };
}

/**
 * The last answer, asked for again when it is old. Until the first is there it is an error, so that what the server knows does not
 * vanish with a restart of the agent.
 */
function remembered(name: string, ask: Doors['tpm'], validMs: number, { now, patienceMs }: Doors) {
  let answer: Buffer | Error | undefined = new Error(`${name} has not answered yet`);
  let nextMs = Number.NEGATIVE_INFINITY;
  return async (): Promise<Buffer | Error | undefined> => {
    if (now() < nextMs) return answer;
    // Nobody asks again while it is being asked.
    nextMs = Number.POSITIVE_INFINITY;
    const asked = ask().then(
      (told) => {
        answer = told === undefined ? undefined : Buffer.from(JSON.stringify(told));
        nextMs = now() + validMs;
      },
      (error: Error) => {
        answer = error;
        nextMs = now() + HOUR_MS;
      },
    );
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    await Promise.race([asked, over]);
    clearTimeout(timer);
    return answer;
  };
}

/** A system that has these files, too: path → content, or the error that reading it throws. */
function withAnswers(system: System, answers: Map<string, Buffer | Error>): System {
  const readBytes = (path: string) => {
    const answer = answers.get(path);
    if (answer instanceof Error) throw answer;
    return answer ?? system.readBytes(path);
  };
  return { ...system, readBytes, read: (path) => textOf(readBytes(path)) };
}
