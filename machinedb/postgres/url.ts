import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { role } from './cluster.ts';
import { socketDirectory } from './home.ts';
import { readPassword } from './password.ts';
import { connectionString } from './postmaster.ts';

/**
 * Where the database of a state directory is reached while its daemon runs; undefined when it has none of its own.
 *
 * @param state absolute, without symbolic links
 */
export function ownUrl(state: string): string | undefined {
  const link = join(state, 'postgres');
  const password = readPassword(join(state, 'postgres.password'));
  if (password === undefined || !existsSync(link)) return undefined;
  const directory = realpathSync(link);
  const { uid, gid } = statSync(directory);
  const account = uid === process.getuid?.() ? undefined : { uid, gid };
  return connectionString(socketDirectory({ directory, account }), password, role);
}
