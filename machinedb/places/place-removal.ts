import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import { append, type NewEvent } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';

/** The event that records an act on a place, role or network. */
export function placeEvent(kind: string, subject: string, who: string, data: Record<string, unknown> = {}): NewEvent {
  return { kind, subject, actor: who, data };
}

/** Ends a row, a network by its key, and its intent. Throws, naming the users, while something uses it. */
export async function removePlace(
  tx: Tx,
  table: 'site' | 'role' | 'rack' | 'network',
  subject: string,
  name: string,
  site: string | undefined,
  who: string,
) {
  let deletion = tx.deleteFrom(table).where((table === 'network' ? 'key' : 'name') as 'name', '=', name);
  if (site !== undefined) deletion = deletion.where('site' as never, '=', site as never);
  await checkUnused(tx, table, name, site);
  if (table === 'site' || table === 'role') await checkApprovals(tx, table, name);
  if (table === 'site')
    await tx.deleteFrom('relay').where('site', '=', name).where('revoked_at', 'is not', null).execute();
  const { numDeletedRows } = await deletion.executeTakeFirstOrThrow();
  if (numDeletedRows === 0n)
    throw new Problem('not_found', `there is no ${table} "${name}": machinedb ${table} list shows them`);
  const { rows } = await sql<{ section: string }>`
    select section from revision where subject = ${subject} and side = 'intended' and upper_inf(valid) and data is not null`.execute(
    tx,
  );
  const ended = rows.map(
    ({ section }) => ({ subject, section, side: 'intended', source: 'operator', data: null, actor: who }) as const,
  );
  await append(tx, ended, [placeEvent(`${table}.deleted`, subject, who)]);
  return { deleted: true };
}

async function checkUnused(tx: Tx, table: string, name: string, site: string | undefined): Promise<void> {
  const nodes = await tx
    .selectFrom('node_now')
    .select(['node', 'fqdn', 'observed_name'])
    .where((eb) => {
      if (table === 'site') return eb('site', '=', name);
      if (table === 'role') return eb('role', '=', name);
      if (table === 'rack') return eb.and([eb('site', '=', site!), eb('rack', '=', name)]);
      return eb(
        'node',
        'in',
        eb
          .selectFrom('allocation')
          .select('node')
          .where('network', '=', name)
          .where('node', 'is not', null)
          .$castTo<{ node: string }>(),
      );
    })
    .limit(5)
    .execute();
  if (nodes.length === 0) return;
  const names = nodes.map((row) => row.fqdn ?? row.observed_name ?? row.node).join(', ');
  throw new Problem(
    'conflict',
    `${table} "${name}" is used by ${names}${nodes.length === 5 ? ' and maybe others' : ''}: give them another first`,
  );
}

/** Rules and join tokens give a place and a role to machines that are yet to come. */
async function checkApprovals(tx: Tx, table: 'site' | 'role', name: string): Promise<void> {
  await tx
    .deleteFrom('join_token')
    .where(table, '=', name)
    .where((eb) => eb.or([eb('uses_left', '=', 0), eb('expires_at', '<=', sql<Date>`now()`)]))
    .execute();
  const rule = await tx.selectFrom('approval_rule').select('name').where(table, '=', name).executeTakeFirst();
  if (rule !== undefined)
    throw new Problem(
      'conflict',
      `${table} "${name}" is given by approval rule ${rule.name}: change it, or machinedb rule delete ${rule.name}`,
    );
  const token = await tx
    .selectFrom('join_token')
    .select(['created_by', 'expires_at'])
    .where(table, '=', name)
    .orderBy('expires_at', 'desc')
    .executeTakeFirst();
  if (token !== undefined)
    throw new Problem(
      'conflict',
      `${table} "${name}" is given by a join token of ${token.created_by}: it can go when that ends, ${token.expires_at.toISOString()}`,
    );
}
