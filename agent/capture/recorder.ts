import { lstatSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { underRoot } from '../root.ts';
import { ADDRESSES, ANSWERS, IPMI_ANSWER, LLDP_NEIGHBORS, type System, TPM_ANSWER, textOf } from '../system.ts';
import type { Entry } from './tar.ts';

const made = new Set([ADDRESSES, LLDP_NEIGHBORS, TPM_ANSWER, IPMI_ANSWER]);
const isMade = (path: string) => made.has(path) || path.startsWith(`${ANSWERS}/`);

/**
 * Wraps a system so that all that is read through it can be played back from a tree: contents, links, directory
 * listings. Everything is kept at its real path, with the links that led there. Each file is read once, so that the
 * observation and the recording agree even on files that change by themselves.
 */
export function record(system: System): { system: System; entries(): Map<string, Entry> } {
  const entries = new Map<string, Entry>();
  const listings = new Map<string, string[]>();
  // Paths that were only seen by name.
  const seen = new Set<string>();

  const where = (path: string, last?: 'link') => {
    const follow = (link: string, target: string) => entries.set(link, { kind: 'link', target });
    const place = attempt(() => underRoot(system.root, path, last, follow));
    return place?.slice(system.root.length);
  };
  // What the agent makes lies beside real files.
  const whereMade = (path: string) => {
    const folder = where(posix.dirname(path)) ?? posix.dirname(path);
    return isMade(path) ? posix.join(folder, posix.basename(path)) : undefined;
  };
  const readBytes = (path: string) => {
    const place = where(path) ?? whereMade(path);
    if (place === undefined) return undefined;
    const known = entries.get(place);
    if (known !== undefined) return known.kind === 'file' ? known.content : undefined;
    try {
      const content = system.readBytes(path);
      if (content === undefined && isMade(path)) return undefined;
      // What cannot be read is kept as a directory: there, and without content.
      entries.set(place, content === undefined ? { kind: 'directory' } : { kind: 'file', content });
      return content;
    } catch (error) {
      entries.set(place, { kind: 'fifo' });
      throw error;
    }
  };
  return {
    system: {
      root: system.root,
      readBytes,
      read: (path) => textOf(readBytes(path)),
      list: (path) => {
        const place = where(path);
        if (place === undefined) return [];
        const names = listings.get(place) ?? system.list(path);
        listings.set(place, names);
        for (const each of [place, ...names.map((name) => `${place === '/' ? '' : place}/${name}`)]) seen.add(each);
        return names;
      },
      link: (path) => {
        const place = where(path, 'link');
        const target = place === undefined ? undefined : system.link(path);
        if (place !== undefined && target !== undefined) entries.set(place, { kind: 'link', target });
        else if (place !== undefined) seen.add(place);
        return target;
      },
      real: (path) => {
        const place = where(path);
        if (place !== undefined) seen.add(place);
        return place;
      },
      during: system.during,
    },
    entries: () => {
      const all = new Map(entries);
      for (const path of seen) {
        const entry = all.get(path) ?? attempt(() => nameOnly(system.root + path));
        if (entry !== undefined) all.set(path, entry);
      }
      return all;
    },
  };
}

function nameOnly(place: string): Entry {
  const stat = lstatSync(place);
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(place) };
  return stat.isDirectory() ? { kind: 'directory' } : { kind: 'file', content: Buffer.alloc(0) };
}

// A file may be forbidden or vanish between two looks.
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
