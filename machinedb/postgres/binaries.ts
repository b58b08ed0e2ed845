import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Account } from './account.ts';
import { run } from './run.ts';

/** One installed PostgreSQL. */
export interface Binaries {
  /** Major version, as in PG_VERSION. */
  readonly version: number;
  /** Directory of `postgres` and `initdb`. */
  readonly bin: string;
  /** An extension that the schema needs and this installation lacks. */
  readonly lacks?: string;
}

/** What the migrations are written for. */
export const oldestVersion = 15;

const extensions = ['btree_gist'];

/**
 * Directories where the machine's PostgreSQL may be: Debian's, PGDG's for RPM, then those of `path` ("a:b").
 *
 * @param root file-system root that the two packagers' directories are looked up in
 */
export function machineDirectories(path: string, root = '/'): string[] {
  const packaged = [join(root, 'usr/lib/postgresql'), join(root, 'usr')].flatMap((parent) =>
    !existsSync(parent)
      ? []
      : readdirSync(parent).flatMap((name) => (/^(pgsql-)?\d+$/.test(name) ? [join(parent, name, 'bin')] : [])),
  );
  const all = [...packaged, ...path.split(':').filter((directory) => directory.startsWith('/'))];
  return [...new Set(all.flatMap(postgresDirectory))];
}

/** Distributions link /usr/bin/postgres into the versioned directory, where initdb and the rest are. */
function postgresDirectory(directory: string): string[] {
  const postgres = join(directory, 'postgres');
  if (!existsSync(postgres)) return [];
  const real = dirname(realpathSync(postgres));
  return existsSync(join(real, 'initdb')) ? [real] : [];
}

/** The PostgreSQL in each directory, newest first; left out is one that `account` cannot run. */
export async function inspect(directories: string[], account: Account | undefined): Promise<Binaries[]> {
  const found = await Promise.all(directories.map((directory) => inspectOne(directory, account)));
  return found.filter((binaries) => binaries !== undefined).sort((a, b) => b.version - a.version);
}

async function inspectOne(bin: string, account: Account | undefined): Promise<Binaries | undefined> {
  const text = await run(join(bin, 'postgres'), ['--version'], { account, cwd: '/' }).catch(() => '');
  const version = Number(/^postgres \(PostgreSQL\) (\d+)/.exec(text)?.[1]);
  if (Number.isNaN(version)) return undefined;
  const lacks = extensions.find(
    (name) => !shares(bin, version).some((share) => existsSync(join(share, `${name}.control`))),
  );
  return lacks === undefined ? { version, bin } : { version, bin, lacks };
}

/** Where installations of this kind keep extensions: relocatable ones, Debian's, PGDG's RPMs, Fedora's. */
function shares(bin: string, version: number): string[] {
  return [
    join(bin, '../share/postgresql/extension'),
    `/usr/share/postgresql/${version}/extension`,
    join(bin, '../share/extension'),
    join(bin, '../share/pgsql/extension'),
  ];
}

/**
 * The PostgreSQL to use: for a new database the first that will do of `machine` (newest first), else `bundled`; for
 * existing data the one of its version.
 *
 * @param existing the data directory and its PG_VERSION, when there is one
 * @throws Error naming the versions there are and the way out
 */
export function choose(
  machine: Binaries[],
  bundled: Binaries | undefined,
  existing: { directory: string; version: string } | undefined,
): Binaries {
  const all = bundled === undefined ? machine : [...machine, bundled];
  const usable = all.filter((binaries) => binaries.version >= oldestVersion && binaries.lacks === undefined);
  const chosen = usable.find((binaries) => existing === undefined || String(binaries.version) === existing.version);
  if (chosen !== undefined) return chosen;
  const found = all.map(describe).join(', ') || 'none';
  if (existing === undefined) {
    throw new Error(
      `No PostgreSQL ${oldestVersion} or newer was found (found: ${found}). ` +
        'Install it (Debian: apt-get install postgresql), run "npm ci", or set DATABASE_URL to a server elsewhere.',
    );
  }
  throw new Error(
    `The database in ${existing.directory} was made by PostgreSQL ${existing.version}, which was not found (found: ${found}). ` +
      `Install it (Debian: apt-get install postgresql-${existing.version}), ` +
      `or run that version elsewhere on this data and set DATABASE_URL, ` +
      'or set MACHINEDB_STATE to another directory to begin an empty database.',
  );
}

function describe({ version, bin, lacks }: Binaries): string {
  return `${version} in ${bin}${lacks === undefined ? '' : ` without the extension ${lacks}`}`;
}
