import { sql } from 'kysely';
import type { Acknowledgement } from '../../shared/api/drift.ts';
import type { Reader, Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { countFindings } from '../intent/findings.ts';

/** Puts an acknowledgement of a finding, whose node is locked, into the history; one that it had gives way. */
export async function recordAcknowledgement(tx: Tx, finding: number): Promise<void> {
  await sql`
    update acknowledgement a set ended_at = now(), ended = 'replaced' from finding f
    where f.id = ${finding} and a.node = f.node and a.section = f.section and a.path = f.path and a.ended_at is null`.execute(
    tx,
  );
  await sql`
    insert into acknowledgement (node, section, path, kind, message, by, reason, until)
    select node, section, path, kind, message, acknowledged_by, coalesce(acknowledged_reason, ''), acknowledged_until
    from finding where id = ${finding}`.execute(tx);
}

/**
 * Background task: an acknowledgement ends when its time is over, and when what it was about is mended or is another difference.
 * Each end is in the feed once.
 */
export async function endAcknowledgements(tx: Tx): Promise<void> {
  const { rows: expired } = await sql<{ node: string }>`
    with over as (
      update finding set acknowledged_by = null, acknowledged_until = null, acknowledged_reason = null
      where acknowledged_until < now() returning node, section, path
    ), ended as (
      update acknowledgement a set ended_at = now(), ended = 'expired' from over
      where a.node = over.node and a.section = over.section and a.path = over.path and a.ended_at is null
    )
    select distinct node from over`.execute(tx);
  if (expired.length > 0)
    await countFindings(
      tx,
      expired.map(({ node }) => node),
    );
  await sql`
    update acknowledgement a set ended_at = now(), ended = case when a.until < now() then 'expired' when exists (
      select from finding f where f.node = a.node and f.section = a.section and f.path = a.path) then 'changed' else 'mended' end
    where a.ended_at is null and not exists (
      select from finding f where f.node = a.node and f.section = a.section and f.path = a.path and f.acknowledged_by is not null)`.execute(
    tx,
  );
  const { rows } = await sql<{ node: string; section: string; path: string; by: string; at: Date; ended: string }>`
    with untold as (
      update acknowledgement set told = true where id in (
        select id from acknowledgement where ended_at is not null and not told order by id limit 1000)
      returning *
    ) select node, section, path, by, at, ended from untold order by id`.execute(tx);
  await append(
    tx,
    [],
    rows.map(({ node, at, ...data }) => ({
      kind: 'finding.unacknowledged',
      subject: `node/${node}`,
      actor: 'system',
      reason: reasons[data.ended],
      data: { ...data, at: at.toISOString() },
    })),
  );
}

const reasons: Record<string, string> = {
  expired: 'its time is over',
  changed: 'the difference is another one',
  mended: 'the difference is gone',
  replaced: 'another one took its place',
};

interface Row {
  id: number;
  node: string;
  name: string;
  section: string;
  path: string;
  kind: Acknowledgement['kind'];
  message: string;
  by: string;
  reason: string;
  at: Date;
  until: Date | null;
  ended_at: Date | null;
  ended: Acknowledgement['ended'] | null;
}

/** Acknowledgements, the newest first; at most `limit`, older than `before`. */
export async function readAcknowledgements(
  db: Reader,
  {
    node,
    open,
    before,
    limit,
  }: { node?: string | undefined; open?: boolean | undefined; before?: number | undefined; limit: number },
): Promise<Acknowledgement[]> {
  const { rows } = await sql<Row>`
    select a.id, a.node, coalesce(n.fqdn, n.observed_name, a.node::text) as name, a.section, a.path, a.kind, a.message, a.by, a.reason,
      a.at, a.until, a.ended_at, a.ended
    from acknowledgement a join node_now n on n.node = a.node
    where (${node ?? null}::uuid is null or a.node = ${node ?? null}::uuid)
      and (${open ?? null}::boolean is null or (a.ended_at is null) = ${open ?? null}::boolean)
      and (${before ?? null}::bigint is null or a.id < ${before ?? null}::bigint)
    order by a.id desc limit ${limit}`.execute(db);
  return rows.map(({ at, until, ended_at, ended, ...rest }) => ({
    ...rest,
    at: at.toISOString(),
    until: until?.toISOString(),
    ended_at: ended_at?.toISOString(),
    ended: ended ?? undefined,
  }));
}
