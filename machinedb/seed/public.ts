import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { sql } from 'kysely';
import type { Context } from '../context.ts';
import { transaction } from '../db.ts';
import { plainAddress } from '../enrol/source.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { type DocumentName, metaData } from './documents.ts';
import { nodesAt } from './read.ts';

/** A conflict that lasts is told again after this. */
const AGAIN = '1 hour';

/**
 * What anybody gets who asks from a node's address: the node's name and instance, and of the other documents nothing. An address that
 * nobody has gets empty ones. Two nodes with one address are told of, and neither gets anything.
 *
 * @param remote address of the connection's other end, which a header cannot change
 * @param host the header Host: a page that had its name point here (DNS rebinding) is refused
 */
export async function publicDocument(
  context: Context,
  name: DocumentName,
  remote: string,
  host: string | undefined,
): Promise<string> {
  if (!isOurs(context, host))
    throw new Problem('forbidden', 'the header Host names another machine: ask by the address of this one');
  if (name !== 'meta-data') return '';
  const address = plainAddress(remote);
  const nodes = await nodesAt(context.db, address);
  if (nodes.length > 1) {
    const ids = nodes.map(({ id }) => id);
    await alarm(context, address, ids);
    throw new Problem('conflict', `several nodes have address ${address}: none of them gets anything by it`);
  }
  return nodes[0] === undefined ? '' : metaData(nodes[0]);
}

function isOurs({ config }: Context, host = ''): boolean {
  const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return isIP(name) !== 0 || [config.host, hostname().toLowerCase(), 'localhost', 'machinedb'].includes(name);
}

/** One event per node and hour: whoever asks on and on fills no feed. */
async function alarm({ db, log }: Context, address: string, ids: string[]): Promise<void> {
  await transaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(7102, hashtext(${address}))`.execute(tx);
    const subjects = ids.map((id) => `node/${id}`);
    const told = await tx
      .selectFrom('event')
      .select('subject')
      .where('subject', 'in', subjects)
      .where('kind', '=', 'seed.address_conflict')
      .where(sql<boolean>`at > now() - ${AGAIN}::interval and data->>'address' = ${address}`)
      .execute();
    const news = subjects.filter((subject) => told.every((row) => row.subject !== subject));
    if (news.length === 0) return;
    log.warn({ address, nodes: ids }, 'several nodes have one address: cloud-init gets nothing by it');
    const data = { address, nodes: ids };
    await append(
      tx,
      [],
      news.map((subject) => ({ kind: 'seed.address_conflict', subject, actor: 'machinedb', data })),
    );
  });
}
