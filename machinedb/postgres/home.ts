import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Account, serviceAccount } from './account.ts';
import type { Log } from './log.ts';

/** Where the own PostgreSQL lives: data/, log/ and its socket are below `directory`. */
export interface Home {
  readonly directory: string;
  readonly account: Account | undefined;
}

/**
 * The home of the state directory's PostgreSQL, made when absent: `<state>/postgres`. For root, whose state directory
 * PostgreSQL's user cannot enter, that is a link to `<shared>/<name>`, named after the state directory's path.
 *
 * @param state absolute, without symbolic links
 * @throws Error naming what stands in the way
 */
export function openHome(state: string, shared: string, log: Log): Home {
  const link = join(state, 'postgres');
  const entry = lstatSync(link, { throwIfNoEntry: false });
  if (entry?.isSymbolicLink() && !existsSync(link)) {
    throw new Error(
      `The database that ${link} points to is missing. Bring it back, or remove that link to begin an empty database.`,
    );
  }
  if (process.getuid?.() !== 0) {
    if (entry === undefined) mkdirSync(link, { mode: 0o700 });
    return { directory: realpathSync(link), account: undefined };
  }
  if (entry === undefined) return makeSharedHome(state, link, shared, log);
  const directory = realpathSync(link);
  const { uid, gid } = statSync(directory);
  if (uid === 0) {
    throw new Error(
      `The database in ${directory} belongs to root, and PostgreSQL does not run as root. ` +
        `Move it below ${shared}, give it with "chown -R" to the user that is to run it, and make ${link} a symbolic link to it.`,
    );
  }
  return { directory, account: { uid, gid } };
}

function makeSharedHome(state: string, link: string, shared: string, log: Log): Home {
  const account = serviceAccount(log);
  makeShared(shared);
  const name = homeName(state);
  let directory = join(shared, name);
  for (let n = 2; existsSync(directory) && readdirSync(directory).length > 0; n++) {
    log.warn(`${directory} holds the database of an earlier state directory ${state}; it is left alone`);
    directory = join(shared, `${name}-${n}`);
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chownSync(directory, account.uid, account.gid);
  symlinkSync(directory, link);
  return { directory, account };
}

/** Makes the directory of several homes, which their users must be able to pass through whatever root's umask. */
export function makeShared(shared: string): void {
  if (existsSync(shared)) return;
  mkdirSync(shared, { recursive: true });
  chmodSync(shared, 0o755);
}

/** Readable, unique and short, because the path of the socket below may have 107 bytes. */
export function homeName(state: string): string {
  const readable = state.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '');
  const hash = createHash('sha256').update(state).digest('hex').slice(0, 10);
  return `${readable.slice(-32).replace(/^-/, '')}-${hash}`;
}

/**
 * A directory for the socket: the home, or `<temporary>/machinedb-<uid>-<hash>` when the socket's path would be longer
 * than the 107 bytes of sockaddr_un.
 *
 * @throws Error when that temporary directory is someone else's
 */
export function socketDirectory({ directory, account }: Home, temporary = '/tmp'): string {
  if (Buffer.byteLength(join(directory, '.s.PGSQL.5432')) <= 107) return directory;
  const uid = account?.uid ?? process.getuid?.() ?? 0;
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  const short = join(temporary, `machinedb-${uid}-${hash}`);
  if (lstatSync(short, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(short, { mode: 0o700 });
    if (account !== undefined) chownSync(short, account.uid, account.gid);
  }
  const found = lstatSync(short);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new Error(
      `${short}, the directory for PostgreSQL's socket, is not a private directory of user id ${uid}. ` +
        'Remove it, or set MACHINEDB_STATE to a directory with a shorter path.',
    );
  }
  return short;
}
