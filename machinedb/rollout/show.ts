import { type RawBuilder, sql } from 'kysely';
import type { Rollout } from '../../shared/api/rollout.ts';
import type { Reader } from '../db.ts';

interface Row extends Pick<Rollout, 'role' | 'slots' | 'stop_after' | 'waiting' | 'held' | 'staged' | 'applied'> {
  change: string | null;
  changed_by: string;
  changed_reason: string | null;
  changed_at: Date;
  stopped_at: Date | null;
  stopped_reason: string;
  /** Why the fleet is on hold. */
  hold: string | null;
  applying: Rollout['applying'] | null;
  undone: Rollout['undone'] | null;
}

/** Roll-outs in the order of their roles; of every role that there is, a change or not. */
export async function readRollouts(
  db: Reader,
  { role, after = '', limit }: { role?: string | undefined; after?: string | undefined; limit: number },
): Promise<Rollout[]> {
  const { rows } = await sql<Row>`
    with roles as (
      select role from (select name as role from role union select role from rollout) as r
      where role > ${after} and role = coalesce(${role ?? null}, role) order by role limit ${limit}
    )
    select roles.role, coalesce(r.slots, 5) as slots, coalesce(r.stop_after, 3) as stop_after,
      r.change, r.changed_by, r.changed_reason, r.changed_at, r.stopped_at, r.stopped_reason,
      (select coalesce(hold_reason, '') from fleet where hold) as hold,
      c.waiting, c.held, c.staged, c.applied, a.applying, u.undone
    from roles left join rollout r on r.role = roles.role,
    lateral (
      select count(*) filter (where waits) as waiting, count(*) filter (where waits and n.hold) as held,
        count(*) filter (where t.state = 'staged') as staged, count(*) filter (where t.state = 'applied') as applied
      from rollout_turn t join node n on n.id = t.node, lateral (select t.state = 'waiting' and not exists (
        select from apply_slot s where s.node = t.node and s.generation = t.generation) as waits) as w
      where t.role = roles.role and n.state <> 'retired' and n.revoked_at is null
    ) as c,
    lateral (
      select json_agg(json_build_object('node', s.node, 'name', ${nameOf}, 'generation', s.generation,
        'since', ${iso(sql`s.since`)}, 'until', ${iso(sql`s.until`)}) order by s.since, s.node) as applying
      from apply_slot s join node_now n on n.node = s.node where s.role = roles.role
    ) as a,
    lateral (
      select json_agg(json_build_object('node', t.node, 'name', ${nameOf}, 'generation', t.generation,
        'outcome', t.state, 'at', ${iso(sql`t.at`)}, 'reason', t.reason) order by t.at, t.node) as undone
      from (select * from rollout_turn where role = roles.role and state in ('undone', 'failed')
        order by at, node limit 100) as t join node_now n on n.node = t.node
    ) as u
    order by roles.role`.execute(db);
  return rows.map(toRollout);
}

const nameOf = sql`coalesce(n.fqdn, n.observed_name, n.node::text)`;

const iso = (time: RawBuilder<unknown>) => sql`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

function toRollout(row: Row): Rollout {
  const { role, slots, stop_after, waiting, held, staged, applied, hold } = row;
  const applying = row.applying ?? [];
  const busy = waiting + applying.length > 0;
  const stopped =
    row.stopped_at === null ? undefined : { at: row.stopped_at.toISOString(), reason: row.stopped_reason };
  const state = stateOf({ hold: hold !== null, stopped: stopped !== undefined, busy, changed: row.change !== null });
  const next = {
    held: `the fleet is on hold (${hold}): machinedb hold-fleet --no-hold --reason TEXT ends that`,
    stopped: `mend the intent, and it reaches all nodes anew; or machinedb rollout resume ${role} --reason TEXT lets those that wait go on`,
    ...{ idle: undefined, running: undefined, done: undefined },
  }[state];
  return {
    ...{ role, state, slots, stop_after },
    ...(row.change === null ? {} : { change: changeOf(row, row.change) }),
    ...{ waiting, held, applying, staged, applied, undone: row.undone ?? [] },
    ...(stopped === undefined ? {} : { stopped }),
    ...(next === undefined ? {} : { next }),
  };
}

function changeOf({ changed_by, changed_at, changed_reason }: Row, what: string): NonNullable<Rollout['change']> {
  const reason = changed_reason === null ? {} : { reason: changed_reason };
  return { what, by: changed_by, at: changed_at.toISOString(), ...reason };
}

interface Situation {
  hold: boolean;
  stopped: boolean;
  busy: boolean;
  changed: boolean;
}

function stateOf({ hold, stopped, busy, changed }: Situation): Rollout['state'] {
  if (hold) return 'held';
  if (stopped) return 'stopped';
  if (busy) return 'running';
  return changed ? 'done' : 'idle';
}
