import type { FeedItem } from '../../shared/api/feed-item.ts';

/** A message must be smaller than this, bytes (Standard Webhooks: "payloads should be small", 20 kB). */
const MOST_BYTES = 20_000;

export interface Message {
  /** The same at every attempt, so that a receiver can tell what it has: without a dot, which the signature divides by. */
  id: string;
  /** A CloudEvents 1.0 event, JSON format. */
  body: string;
}

/** A feed item as an event: its type is `machinedb.KIND`, or `machinedb.revision.SIDE.SECTION`. */
export function toMessage(item: FeedItem): Message {
  const [epoch = '', seq = ''] = item.cursor.split('.');
  const { actor, reason, data, source } = item;
  const head = {
    specversion: '1.0',
    id: item.cursor,
    source: `urn:machinedb:${epoch}`,
    type: `machinedb.${kindOf(item)}`,
    subject: item.subject,
    time: item.at,
    sequence: seq,
    datacontenttype: 'application/json',
  };
  const said = { actor, ...(reason === undefined ? {} : { reason }), ...(source === undefined ? {} : { source }) };
  const whole = JSON.stringify({ ...head, data: { ...said, data } });
  const bytes = Buffer.byteLength(whole);
  if (bytes < MOST_BYTES) return { id: idOf(item.cursor), body: whole };
  // Where the item can be read (CloudEvents extension dataref).
  const dataref = `/v1/events?cursor=${epoch}.${Number(seq) - 1}&limit=1`;
  const short = { ...said, reason: reason?.slice(0, 500), truncated: true, bytes };
  return { id: idOf(item.cursor), body: JSON.stringify({ ...head, dataref, data: short }) };
}

/** A message that tells of nothing: whether it arrives is the question. */
export function testMessage(name: string, id: string, at: Date): Message {
  const head = { specversion: '1.0', id, source: 'urn:machinedb:test', type: 'machinedb.webhook.test' };
  const data = { text: `a test of webhook ${name}` };
  const rest = { subject: `webhook/${name}`, time: at.toISOString(), datacontenttype: 'application/json', data };
  return { id: `msg_test_${id}`, body: JSON.stringify({ ...head, ...rest }) };
}

/** What a webhook's kinds are compared with. */
export function kindOf({ type, kind, section }: Pick<FeedItem, 'type' | 'kind' | 'section'>): string {
  return type === 'event' ? kind : `revision.${kind}.${section}`;
}

const idOf = (cursor: string) => `msg_${cursor.replace('.', '_')}`;
