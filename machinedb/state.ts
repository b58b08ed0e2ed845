import { lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LockHeldError, takeLock } from './lock.ts';

/** The opened state directory: the own database, the key-encryption key and the operator's token lie in it. */
export interface State {
  /** Absolute, symbolic links resolved. */
  readonly directory: string;
  /** Lets another process open it. */
  close(): void;
}

/**
 * Opens the state directory for this process alone, making it (mode 0700) when absent.
 *
 * @throws Error naming the directory, the cause and the way out: it is in use, open to others, another user's, or no
 *   directory
 */
export async function openState(path: string): Promise<State> {
  mkdirSync(resolve(path, '..'), { recursive: true });
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    const kind = lstatSync(path).isSymbolicLink() ? 'a symbolic link to no directory' : 'not a directory';
    throw new Error(`The state directory ${resolve(path)} is ${kind}. Set MACHINEDB_STATE to a directory.`);
  }
  const directory = realpathSync(path);
  checkOwner(directory);
  try {
    const lock = await takeLock(join(directory, 'lock'));
    return { directory, close: () => lock.release() };
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const process = error.pid === undefined ? '' : ` (process ${error.pid})`;
    throw new Error(
      `The state directory ${directory} is in use by another MachineDB${process}. ` +
        'Stop that one first, or set MACHINEDB_STATE to another directory.',
    );
  }
}

/** Modes are not mended here: the path may be a slip of the pen such as /tmp, whose mode others depend on. */
function checkOwner(directory: string): void {
  const { uid, mode } = statSync(directory);
  const self = process.getuid?.();
  if (uid !== self) {
    throw new Error(
      `The state directory ${directory} belongs to user id ${uid}, but this process runs as user id ${self}. ` +
        'Start MachineDB as that user, or set MACHINEDB_STATE to another directory.',
    );
  }
  if ((mode & 0o077) !== 0) {
    throw new Error(
      `The state directory ${directory} is open to other users (mode ${(mode & 0o7777).toString(8)}), but it holds keys. ` +
        `Close it with "chmod 700 ${directory}", or set MACHINEDB_STATE to another directory.`,
    );
  }
}
