import { createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalIp } from '../../shared/ip.ts';
import { Problem } from './problem.ts';

/**
 * Cursors of lists: the key of the last item, opaque to clients. Paging is by key, never by offset, so that an item that
 * comes or goes moves no other over a page's edge.
 */
const CHECK = 'machinedb list cursor';

export function makeCursor(key: string): string {
  const text = Buffer.from(key).toString('base64url');
  return `${text}.${check(text)}`;
}

/**
 * The key in a cursor of ours; undefined without cursor. Throws for anything else.
 *
 * @param form what keys of this list look like, where the database takes no other: another list's cursor is refused
 */
export function readCursor(cursor: string | undefined, form: Form = /^/): string | undefined {
  if (cursor === undefined) return undefined;
  const [text = '', given = ''] = cursor.split('.');
  const key = Buffer.from(text, 'base64url').toString('utf8');
  if (!isEqual(given, check(text)) || !form.test(key)) {
    throw new Problem('cursor_invalid', 'the cursor is not one that a list gave: start again without it');
  }
  return key;
}

type Form = Pick<RegExp, 'test'>;

/** Keys that are ids, places in the feed, names, a name within a site, a network's name and key, or IP addresses. */
export const keyForms = {
  id: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  seq: /^\d{1,15}$/,
  name: /^[a-z0-9._-]{1,63}$/,
  rack: /^[a-z0-9._-]{1,63}\/[a-z0-9._-]{1,63}$/,
  network: /^[a-z0-9._-]{1,63}\/([a-z0-9._-]{1,63}:){0,2}[a-z0-9._-]{1,63}$/,
  address: { test: (key: string) => canonicalIp(key) !== undefined },
} satisfies Record<string, Form>;

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

// It finds mistakes; a made-up cursor can do no harm, since what it selects is limited by the caller's scope anyway.
function check(text: string): string {
  return createHmac('sha256', CHECK).update(text).digest('base64url').slice(0, 12);
}

/** Cuts rows, one more than `limit` of which were read, into a page. */
export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => string,
  toItem: (row: Row) => Item,
): { items: Item[]; next?: string } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toItem),
    ...(rows.length > limit && last !== undefined ? { next: makeCursor(keyOf(last)) } : {}),
  };
}
