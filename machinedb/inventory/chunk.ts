import { createHash } from 'node:crypto';
import type { Host } from './host.ts';

/** A host under the name that it has in the inventory. */
export interface Named {
  name: string;
  host: Host;
  /** A chunk begins with it. */
  begins: boolean;
}

/** Hosts that stand beside each other in the order of their names, and their text. */
export interface Chunk {
  hosts: Named[];
  /** JSON text: `,"name":{variables},...`, with the comma before it. */
  vars: Buffer;
  /** Group → its members among them, JSON text: `"name","name"`. */
  groups: Map<string, string>;
  digest: Buffer;
}

/** Hosts in a chunk, on average. */
const HOSTS = 512;

export function toNamed(name: string, host: Host): Named {
  return { name, host, begins: hash(name) % HOSTS === 0 };
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}

/**
 * Cuts hosts, sorted by name, into chunks; those that are as before are kept with their text. Where a chunk begins follows from
 * the names alone, so that each daemon cuts alike, whatever it saw before, and a host that comes or goes changes one chunk.
 */
export function cut(hosts: Named[], before: Chunk[]): Chunk[] {
  const known = new Map(before.map((chunk) => [chunk.hosts[0]!, chunk]));
  const chunks: Chunk[] = [];
  for (let start = 0, end = 1; start < hosts.length; start = end, end++) {
    while (end < hosts.length && !hosts[end]!.begins) end++;
    const kept = known.get(hosts[start]!);
    const same = kept?.hosts.length === end - start && kept.hosts.every((host, i) => host === hosts[start + i]);
    chunks.push(same ? kept : render(hosts.slice(start, end)));
  }
  return chunks;
}

function render(hosts: Named[]): Chunk {
  const groups = new Map<string, string[]>();
  const vars: string[] = [];
  for (const { name, host } of hosts) {
    const quoted = JSON.stringify(name);
    vars.push(`,${quoted}:${host.vars}`);
    for (const group of host.groups) {
      const members = groups.get(group);
      if (members === undefined) groups.set(group, [quoted]);
      else members.push(quoted);
    }
  }
  const text = Buffer.from(vars.join(''));
  const joined = new Map([...groups].map(([group, members]) => [group, members.join(',')]));
  const digest = createHash('sha256').update(text.subarray(1));
  for (const [group, members] of joined) digest.update(`\n${group} ${members}`);
  return { hosts, vars: text, groups: joined, digest: digest.digest() };
}
