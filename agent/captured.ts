import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { orAbsent } from './absent.ts';
import { maxLinks } from './root.ts';

/** What a captured machine has at a path. */
export interface Place {
  /** Its real path on the captured machine. */
  path: string;
  kind: Kind;
}
type Kind = 'file' | 'folder' | 'link' | 'other';

/** A captured machine's tree, looked at. */
export interface CapturedTree {
  /** @param last 'link' leaves the last component alone */
  find(path: string, last?: 'link'): Place | undefined;
  /** Names in a folder, by its real path. */
  names(folder: string): string[];
  /** Target of a link, by its real path, as it is written. */
  target(link: string): string | undefined;
}

interface Folder {
  asked: number;
  kinds?: Map<string, Kind>;
}

// A folder is listed for what three looks cost.
const FEW = 3;

/**
 * Looks at an unpacked capture as the captured machine would: absolute targets of links start at `root`, and '..' stops there. What
 * was seen is taken for true from then on, so this is for one observation.
 */
export function capturedTree(root: string): CapturedTree {
  const folders = new Map<string, Folder>();
  const targets = new Map<string, string | undefined>();
  /** Real path of a folder, by the path that was asked for. */
  const real = new Map<string, string | undefined>([['', '/']]);

  const folderAt = (path: string): Folder => {
    const known = folders.get(path) ?? { asked: 0 };
    folders.set(path, known);
    return known;
  };
  const kindsIn = (path: string, folder = folderAt(path)): Map<string, Kind> => {
    if (folder.kinds !== undefined) return folder.kinds;
    const found = orAbsent(() => readdirSync(root + path, { withFileTypes: true })) ?? [];
    folder.kinds = new Map(found.map((entry) => [entry.name, kindOf(entry)]));
    return folder.kinds;
  };
  const look = (path: string, name: string): Kind | undefined => {
    const folder = folderAt(path);
    if (folder.kinds !== undefined || ++folder.asked > FEW) return kindsIn(path, folder).get(name);
    const stat = orAbsent(() => lstatSync(root + below(path, name), { throwIfNoEntry: false }));
    return stat && kindOf(stat);
  };
  const target = (link: string): string | undefined => {
    if (!targets.has(link))
      targets.set(
        link,
        orAbsent(() => readlinkSync(root + link)),
      );
    return targets.get(link);
  };
  /** Goes down from a folder; `here` is its real path. */
  const walk = (here: string, parts: string[], last: 'link' | 'follow', links: number): Place | undefined => {
    let place: Place = { path: here, kind: 'folder' };
    for (const [index, name] of parts.entries()) {
      if (place.kind !== 'folder') return undefined;
      if (name === '' || name === '.') continue;
      const next = name === '..' ? posix.dirname(place.path) : below(place.path, name);
      const kind = name === '..' ? 'folder' : look(place.path, name);
      if (kind === undefined) return undefined;
      if (kind !== 'link' || (last === 'link' && index === parts.length - 1)) {
        place = { path: next, kind };
        continue;
      }
      const to = links < maxLinks ? target(next) : undefined;
      const found =
        to === undefined ? to : walk(to.startsWith('/') ? '/' : place.path, to.split('/'), 'follow', links + 1);
      if (found === undefined) return undefined;
      place = found;
    }
    return place;
  };
  const realFolder = (path: string): string | undefined => {
    if (real.has(path)) return real.get(path);
    const place = find(path);
    const folder = place?.kind === 'folder' ? place.path : undefined;
    real.set(path, folder);
    return folder;
  };
  const find = (path: string, last: 'link' | 'follow' = 'follow'): Place | undefined => {
    const cut = path.lastIndexOf('/');
    const folder = realFolder(path.slice(0, cut));
    return folder === undefined ? undefined : walk(folder, [path.slice(cut + 1)], last, 0);
  };
  return { find, names: (folder) => [...kindsIn(folder).keys()].sort(), target };
}

const below = (folder: string, name: string) => (folder === '/' ? `/${name}` : `${folder}/${name}`);

function kindOf(entry: Dirent | Stats): Kind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}
