import { spawn, spawnSync } from 'node:child_process';

export interface Result {
  /** Exit status; null when a signal or a timeout ended it, or it could not be started. */
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program without a shell and waits for it. */
export type Run = (command: string, args: string[]) => Result;

const TIMEOUT_MS = 120_000;

/** Runs a program of this machine; one that takes longer than two minutes is ended. */
export const run: Run = (command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: TIMEOUT_MS });
  return { status, stdout: stdout ?? '', stderr: error === undefined ? (stderr ?? '') : error.message };
};

/** A program that runs beside the agent. */
export interface Running {
  /** Undefined: it could not be started. */
  pid: number | undefined;
  ended: Promise<void>;
}

/** Starts a program without a shell, and does not wait for it. What it says goes where the agent's messages go. */
export function begin(command: string, args: string[]): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
  return { pid: child.pid, ended };
}

/** As Run, but what fails throws: its message names the command and what it said. */
export function must(run: Run, command: string, args: string[]): string {
  const { status, stdout, stderr } = run(command, args);
  if (status === 0) return stdout;
  throw new Error(
    `${[command, ...args].join(' ')} failed (${status ?? 'ended'}): ${(stderr || stdout).trim().slice(-500)}`,
  );
}
