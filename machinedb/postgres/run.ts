import { execFile } from 'node:child_process';
import type { Account } from './account.ts';

/** PostgreSQL's programs see this environment only: a PGDATA or PGOPTIONS of the caller must not reach them. */
export const environment = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };

export interface RunOptions {
  readonly account: Account | undefined;
  /** Must be one the account may enter. */
  readonly cwd: string;
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program to its end and gives its standard output.
 *
 * @throws Error with the program's path and what it wrote to standard error; the signal's reason when aborted
 */
export function run(
  program: string,
  parameters: string[],
  { account, cwd, input, signal }: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ...account, cwd, env: environment, signal, maxBuffer: 16 * 2 ** 20 };
    const child = execFile(program, parameters, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (signal?.aborted) reject(signal.reason);
      else reject(new Error(`${program} failed: ${stderr.trim() || error.message}`));
    });
    // A program that ends without reading its input closes the pipe; its status tells why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}
