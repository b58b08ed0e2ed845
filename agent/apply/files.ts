import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';

/** Largest file of a configuration, bytes: what is larger is no configuration, and is not read into memory. */
const MAX_BYTES = 4 * 1024 * 1024;
// The kernel's own limit (MAXSYMLINKS).
const MAX_LINKS = 40;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
const ROOT_UID = 0;

/** The one file of a configuration that is a link (localtime(5)): its text is where it leads. */
export const LOCALTIME = '/etc/localtime';

/**
 * The text of a file below `root`; undefined when there is none. Throws when it is a link, no regular file or too large:
 * some of our files are in folders of users, who must not be able to have another file read, or the agent wait.
 */
export function readText(root: string, path: string): string | undefined {
  return inFolder(root, path, undefined, (folder, name) =>
    path === LOCALTIME ? linkText(folder, name, path) : lookAt(folder, name, path)?.text,
  );
}

/** Permission bits of a file below `root`; undefined when there is none. */
export function modeOf(root: string, path: string): number | undefined {
  return inFolder(root, path, undefined, (folder, name) => {
    const stat = lstatSync(at(folder, name), { throwIfNoEntry: false });
    return stat === undefined ? undefined : stat.mode & 0o777;
  });
}

/**
 * Makes a file be this text, whole and durably; undefined removes it, with what an attempt that was cut off has left.
 * It keeps its owner; a new one, and a folder that is made for it, gets the owner of the folder that it is in.
 * Throws as readText does: nothing is written through a link of a user.
 */
export function writeFile(root: string, path: string, text: string | undefined, mode: number): void {
  const folderMode = path.includes('/.ssh/') ? 0o700 : 0o755;
  inFolder(root, path, text === undefined ? undefined : folderMode, (folder, name) => {
    const draft = at(folder, `${name}.new`);
    rmSync(draft, { force: true });
    if (path === LOCALTIME) {
      writeLink(folder, name, draft, text);
      return;
    }
    const old = lookAt(folder, name, path);
    // What is there already needs no space on a disk that may be full.
    if (old?.text === text && (old === undefined || old.mode === mode)) return;
    if (text === undefined) rmSync(at(folder, name));
    else {
      writeDraft(draft, text, mode, old ?? fstatSync(folder));
      renameSync(draft, at(folder, name));
    }
    fsyncSync(folder);
  });
}

function linkText(folder: number, name: string, path: string): string | undefined {
  const stat = lstatSync(at(folder, name), { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isSymbolicLink()) throw new Error(`${path} is not a symbolic link: move it away`);
  return readlinkSync(at(folder, name));
}

function writeLink(folder: number, name: string, draft: string, target: string | undefined): void {
  if (target === undefined) rmSync(at(folder, name), { force: true });
  else {
    symlinkSync(target, draft);
    renameSync(draft, at(folder, name));
  }
  fsyncSync(folder);
}

function writeDraft(draft: string, text: string, mode: number, { uid, gid }: { uid: number; gid: number }): void {
  const file = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(file, text);
    fchownSync(file, uid, gid);
    fchmodSync(file, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function lookAt(folder: number, name: string, path: string) {
  const file = openIn(folder, name, path);
  if (file === undefined) return undefined;
  try {
    const { uid, gid, mode } = fstatSync(file);
    return { text: readFileSync(file, 'utf8'), mode: mode & 0o777, uid, gid };
  } finally {
    closeSync(file);
  }
}

/** A regular file of a folder, opened to be read; undefined when there is none. */
function openIn(folder: number, name: string, path: string): number | undefined {
  const file = openPlain(at(folder, name), O_RDONLY | O_NONBLOCK);
  if (file === undefined) return undefined;
  if (file === 'link')
    throw new Error(`${path} is a symbolic link, which is not followed: make it a file, or remove it`);
  const stat = fstatSync(file);
  if (stat.isFile() && stat.size <= MAX_BYTES) return file;
  closeSync(file);
  throw new Error(
    stat.isFile()
      ? `${path} has ${stat.size} bytes, more than ${MAX_BYTES}: it is no configuration, move it away`
      : `${path} is not a regular file: move it away`,
  );
}

/**
 * Does something with the folder of a path, opened step by step below `root`. Names are looked up in open folders, by
 * /proc/self/fd as openat(2) does, so that nobody can put a link there between the check and the use.
 *
 * @param make mode of folders that are missing; undefined: they are not made, and the result is undefined
 */
function inFolder<T>(
  root: string,
  path: string,
  make: number | undefined,
  use: (folder: number, name: string) => T,
): T | undefined {
  const names = path.split('/').filter(Boolean);
  const last = names.pop() ?? '';
  let links = 0;
  let folder = openSync(root || '/', O_RDONLY | O_DIRECTORY);
  try {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      let next = openPlain(at(folder, name), O_RDONLY | O_DIRECTORY);
      if (next === undefined && make !== undefined) {
        makeFolder(folder, name, make);
        next = openPlain(at(folder, name), O_RDONLY | O_DIRECTORY);
      }
      if (next === undefined) return undefined;
      if (next === 'link') {
        const target = trustedLink(folder, name, path);
        if (++links > MAX_LINKS) throw new Error(`${path} has too many symbolic links`);
        names.unshift(...target.split('/').filter((part) => part !== '' && part !== '.'));
        next = target.startsWith('/') ? openSync(root || '/', O_RDONLY | O_DIRECTORY) : undefined;
      }
      if (next === undefined) continue;
      closeSync(folder);
      folder = next;
    }
    return use(folder, last);
  } finally {
    closeSync(folder);
  }
}

/** Where a folder's link leads. Throws unless root alone can have made it, as where /home is a link to another disk. */
function trustedLink(folder: number, name: string, path: string): string {
  const stat = fstatSync(folder);
  if (stat.uid !== ROOT_UID || (stat.mode & 0o022) !== 0 || lstatSync(at(folder, name)).uid !== ROOT_UID)
    throw new Error(`${path}: "${name}" is a symbolic link that is not root's, which is not followed: remove it`);
  return readlinkSync(at(folder, name));
}

function makeFolder(folder: number, name: string, mode: number): void {
  mkdirSync(at(folder, name), { mode: 0o700 });
  const made = openSync(at(folder, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const { uid, gid } = fstatSync(folder);
  fchownSync(made, uid, gid);
  fchmodSync(made, mode);
  closeSync(made);
  fsyncSync(folder);
}

/** Opens what a path names, if it is no link. */
function openPlain(path: string, flags: number): number | 'link' | undefined {
  try {
    return openSync(path, flags | O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) return 'link';
    throw error;
  }
}

const at = (folder: number, name: string) => `/proc/self/fd/${folder}/${name}`;
