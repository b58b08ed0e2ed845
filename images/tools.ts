import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Runs a program without a shell. Throws an error that names it and what it said when it fails. */
export function run(
  command: string,
  args: string[],
  { env = {}, ...options }: { cwd?: string; input?: string; env?: Record<string, string> } = {},
): string {
  const path = [process.env.PATH, ...FOLDERS].join(':');
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...options,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, PATH: path, LC_ALL: 'C', SOURCE_DATE_EPOCH: '0', ...env },
  });
  if (status === 0) return stdout;
  const said = error?.message ?? `${stderr}${stdout}`.trim().split('\n').slice(-8).join('\n');
  throw new Error(`${[command, ...args].join(' ').slice(0, 300)} failed:\n${said}`);
}

/** Throws an error that names the Debian packages of programs and files that are missing, and the command that helps. */
export function needPrograms(programs: Record<string, string>): void {
  const missing = Object.entries(programs)
    .filter(([program]) =>
      program.startsWith('/') ? !existsSync(program) : !FOLDERS.some((at) => existsSync(join(at, program))),
    )
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const names = [...new Set(missing)].sort().join(' ');
  throw new Error(`an image needs programs that are not here: apt-get install --no-install-recommends ${names}`);
}
