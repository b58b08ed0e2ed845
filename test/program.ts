import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { DaemonProcess } from './harness.ts';

export const root = join(import.meta.dirname, '..');
const command = join(root, 'machinedb/bin/machinedb');
/** The agent as it ships. */
export const agentExecutable = join(root, 'dist/machinedb-agent');

/**
 * The environment of a program that a test starts, before its own settings: where programs are, and where Node.js keeps what it has
 * compiled (test/run.ts): a daemon's or a command's start is half as much work then.
 */
export const surroundings: Record<string, string> = Object.fromEntries(
  ['PATH', 'NODE_COMPILE_CACHE'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end; `input` is its standard input. */
export function runProgram(
  program: string,
  args: string[],
  environment: Record<string, string>,
  input = '',
): Promise<Ended> {
  const child = spawn(program, args, { env: { ...surroundings, ...environment }, cwd: root });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    ended.stdout += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    ended.stderr += String(chunk);
  });
  child.on('error', reject);
  child.on('close', (code) => resolve({ ...ended, code }));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return promise;
}

/** What the command line needs to find a daemon. */
export function settingsFor(daemon: DaemonProcess): Record<string, string> {
  return { MACHINEDB_URL: daemon.url, MACHINEDB_STATE: daemon.stateDirectory };
}

/** Runs the machinedb command against a daemon, as an SRE would. */
export async function machinedb(daemon: DaemonProcess, args: string[], input?: string): Promise<Ended> {
  return await runProgram(command, args, settingsFor(daemon), input);
}
