import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
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
  /** Its real path on the captured machine. */
  path: string;
  asked: number;
  kinds: Map<string, Kind> | undefined;
}

// A folder is listed for what three looks cost.
const FEW = 3;

/**
 * Looks at an unpacked capture as the captured machine would: absolute targets of links start at `root`, and '..' stops there. What
 * was seen is taken for true from then on, so this is for one observation.
 */
export function capturedTree(root: string): CapturedTree {
  const top: Folder = { path: '/', asked: 0, kinds: undefined };
  const byRealPath = new Map<string, Folder>([['/', top]]);
  const byPath = new Map<string, Folder | undefined>([['', top]]);
  const targets = new Map<string, string | undefined>();

  const folderAt = (path: string): Folder => {
    let folder = byRealPath.get(path);
    if (folder === undefined) {
      folder = { path, asked: 0, kinds: undefined };
      byRealPath.set(path, folder);
    }
    return folder;
  };
  const kindsIn = (folder: Folder): Map<string, Kind> => {
    if (folder.kinds !== undefined) return folder.kinds;
    folder.kinds = new Map();
    for (const entry of orAbsent(() => readdirSync(root + folder.path, { withFileTypes: true })) ?? [])
      folder.kinds.set(entry.name, kindOf(entry));
    return folder.kinds;
  };
  const look = (folder: Folder, name: string): Kind | undefined => {
    if (folder.kinds !== undefined || ++folder.asked > FEW) return kindsIn(folder).get(name);
    const stat = orAbsent(() => lstatSync(root + below(folder.path, name), { throwIfNoEntry: false }));
    return stat && kindOf(stat);
  };
  const target = (link: string): string | undefined => {
    const known = targets.get(link);
    if (known !== undefined) return known;
    const found = orAbsent(() => readlinkSync(root + link));
    targets.set(link, found);
    return found;
  };
  /** One step down; `links` have been followed on the way. */
  const step = (folder: Folder, name: string, follow: boolean, links: number): Place | undefined => {
    if (name === '' || name === '.') return { path: folder.path, kind: 'folder' };
    if (name === '..') return { path: above(folder.path), kind: 'folder' };
    const kind = look(folder, name);
    if (kind === undefined) return undefined;
    const path = below(folder.path, name);
    if (kind !== 'link' || !follow) return { path, kind };
    const to = links < maxLinks ? target(path) : undefined;
    return to === undefined ? to : walk(to.startsWith('/') ? top : folder, to.split('/'), links + 1);
  };
  const walk = (from: Folder, names: string[], links: number): Place | undefined => {
    let place: Place = { path: from.path, kind: 'folder' };
    for (const name of names) {
      const next = place.kind === 'folder' ? step(folderAt(place.path), name, true, links) : undefined;
      if (next === undefined) return undefined;
      place = next;
    }
    return place;
  };
  const folderOf = (path: string): Folder | undefined => {
    const known = byPath.get(path);
    if (known !== undefined || byPath.has(path)) return known;
    const place = find(path);
    const folder = place?.kind === 'folder' ? folderAt(place.path) : undefined;
    byPath.set(path, folder);
    return folder;
  };
  const find = (path: string, last?: 'link'): Place | undefined => {
    const cut = path.lastIndexOf('/');
    const folder = folderOf(path.slice(0, cut));
    return folder && step(folder, path.slice(cut + 1), last !== 'link', 0);
  };
  return { find, names: (folder) => [...kindsIn(folderAt(folder)).keys()].sort(), target };
}

const below = (folder: string, name: string) => (folder === '/' ? `/${name}` : `${folder}/${name}`);
const above = (folder: string) => folder.slice(0, folder.lastIndexOf('/')) || '/';

function kindOf(entry: Record<'isFile' | 'isDirectory' | 'isSymbolicLink', () => boolean>): Kind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}
