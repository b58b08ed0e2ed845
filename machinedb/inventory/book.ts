import { createHash } from 'node:crypto';
import { type Chunk, cut, type Named, toNamed } from './chunk.ts';
import type { Entry } from './host.ts';

/** What an Ansible inventory script prints, JSON in pieces. */
export interface Inventory {
  pieces: Buffer[];
  /** Bytes of all pieces. */
  size: number;
  etag: string;
}

/** Smaller ones are joined to pieces of this size, bytes, so that sending costs few writes. */
const LARGE = 64 * 1024;

/**
 * The inventory of a fleet, of which only what changed is put together anew. A host is named by its intended FQDN; the name that
 * a machine reports counts only while no other has it, so that no machine takes another's place; else it is the id. Two books with
 * the same entries have the same text and the same ETag.
 */
export class Book {
  readonly #entries = new Map<string, Entry>();
  /** Name → ids of the nodes that have it or report it. */
  readonly #claims = new Map<string, string[]>();
  readonly #named = new Map<string, Named>();
  #order: Named[] = [];
  #chunks: Chunk[] = [];
  /** Group → its piece of the text, with the comma before it. */
  readonly #groups = new Map<string, Buffer>();
  #inventory: Inventory = { pieces: [], size: 0, etag: '' };

  constructor(entries: Entry[] = []) {
    this.update(entries, []);
  }

  get inventory(): Inventory {
    return this.#inventory;
  }

  /** Takes over nodes that are new or changed, and drops those with the ids in `gone`. */
  update(entries: Entry[], gone: string[]): void {
    const touched = new Set<string>();
    for (const id of [...gone, ...entries.map((entry) => entry.id)]) this.#release(id, touched);
    for (const entry of entries) this.#claim(entry, touched);
    for (const id of gone) touched.add(id);
    const changed = new Set(entries.map(({ id }) => id));
    const left = new Set<Named>();
    const come: Named[] = [];
    for (const id of touched) {
      const before = this.#named.get(id);
      const entry = this.#entries.get(id);
      const name = entry?.host === undefined ? undefined : this.#nameOf(entry);
      if (before !== undefined && before.name === name && !changed.has(id)) continue;
      if (before !== undefined) left.add(before);
      this.#named.delete(id);
      if (name === undefined) continue;
      const named = toNamed(name, entry!.host!);
      this.#named.set(id, named);
      come.push(named);
    }
    // Sorting what is sorted but for a few is one pass over it.
    this.#order = [...this.#order.filter((named) => !left.has(named)), ...come].sort(byName);
    this.#assemble();
  }

  #release(id: string, touched: Set<string>): void {
    const entry = this.#entries.get(id);
    const name = entry === undefined ? undefined : claimOf(entry);
    this.#entries.delete(id);
    if (name === undefined) return;
    const others = this.#claims.get(name)!.filter((other) => other !== id);
    if (others.length === 0) this.#claims.delete(name);
    else this.#claims.set(name, others);
    for (const other of others) touched.add(other);
  }

  #claim(entry: Entry, touched: Set<string>): void {
    this.#entries.set(entry.id, entry);
    touched.add(entry.id);
    const name = claimOf(entry);
    if (name === undefined) return;
    const others = this.#claims.get(name);
    if (others === undefined) return void this.#claims.set(name, [entry.id]);
    for (const other of others) touched.add(other);
    others.push(entry.id);
  }

  #nameOf({ id, fqdn, host }: Entry): string {
    if (fqdn !== undefined) return fqdn;
    const name = host?.reportedName;
    return name !== undefined && this.#claims.get(name)!.length === 1 ? name : id;
  }

  #assemble(): void {
    const before = this.#chunks;
    this.#chunks = cut(this.#order, before);
    this.#regroup(changedGroups(before, this.#chunks));
    const names = [...this.#groups.keys()].sort((a, b) => (a < b ? -1 : 1));
    const pieces = coalesce([
      Buffer.from('{"_meta":{"hostvars":{'),
      ...this.#chunks.map(({ vars }, i) => (i === 0 ? vars.subarray(1) : vars)),
      Buffer.from('}}'),
      ...names.map((name) => this.#groups.get(name)!),
      Buffer.from('}'),
    ]);
    const digest = createHash('sha256');
    for (const chunk of this.#chunks) digest.update(chunk.digest);
    const etag = `"${digest.digest('base64url').slice(0, 32)}"`;
    this.#inventory = { pieces, size: pieces.reduce((sum, { length }) => sum + length, 0), etag };
  }

  #regroup(changed: Set<string>): void {
    const members = new Map<string, string[]>();
    for (const { groups } of this.#chunks)
      for (const [group, text] of groups) if (changed.has(group)) add(members, group, text);
    for (const group of changed) {
      const texts = members.get(group);
      if (texts === undefined) this.#groups.delete(group);
      else this.#groups.set(group, Buffer.from(`,${JSON.stringify(group)}:{"hosts":[${texts.join(',')}]}`));
    }
  }
}

const byName = (a: Named, b: Named) => (a.name < b.name ? -1 : 1);

/** The name that a node keeps from others. */
function claimOf({ fqdn, host }: Entry): string | undefined {
  return fqdn ?? host?.reportedName;
}

function add(lists: Map<string, string[]>, key: string, item: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** Groups whose members are others than before. */
function changedGroups(before: Chunk[], after: Chunk[]): Set<string> {
  const [old, now] = [new Set(before), new Set(after)];
  const texts = (chunks: Chunk[]) => {
    const found = new Map<string, string[]>();
    for (const { groups } of chunks) for (const [group, text] of groups) add(found, group, text);
    return found;
  };
  const gone = texts(before.filter((chunk) => !now.has(chunk)));
  const come = texts(after.filter((chunk) => !old.has(chunk)));
  const same = (group: string) => gone.get(group)?.join(',') === come.get(group)?.join(',');
  return new Set([...gone.keys(), ...come.keys()].filter((group) => !same(group)));
}

/** Joins small pieces; large ones are taken as they are: a copy of them all would be as large as the fleet. */
function coalesce(pieces: Buffer[]): Buffer[] {
  const joined: Buffer[] = [];
  let small: Buffer[] = [];
  let size = 0;
  const flush = () => {
    if (small.length > 0) joined.push(Buffer.concat(small));
    small = [];
    size = 0;
  };
  for (const piece of pieces) {
    if (piece.length >= LARGE) {
      flush();
      joined.push(piece);
      continue;
    }
    small.push(piece);
    size += piece.length;
    if (size >= LARGE) flush();
  }
  flush();
  return joined;
}
