import { spawn, spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import type { Tool } from './bmc/ask.ts';

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

/** As Run, but what fails throws: its message names the command and what it said. */
export function must(run: Run, command: string, args: string[]): string {
  const { status, stdout, stderr } = run(command, args);
  if (status === 0) return stdout;
  throw new Error(
    `${[command, ...args].join(' ')} failed (${status ?? 'ended'}): ${(stderr || stdout).trim().slice(-500)}`,
  );
}

const TOOL_TIMEOUT_MS = 30_000;
const MOST_PRINTED = 1024 * 1024;

/**
 * Runs an optional program with the lowest priority, without waiting for it in between; one that takes longer than half a minute,
 * or prints more than 1 MiB, is ended (status null). Its output is in no language.
 */
export const runIdle: Tool = (command, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TOOL_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
    child.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(undefined) : reject(error)));
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
      if (stdout.length > MOST_PRINTED) child.kill('SIGKILL');
    });
    child.on('close', (status) => resolve({ status, stdout }));
  });
