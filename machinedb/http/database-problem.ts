import { Problem } from './problem.ts';

interface DatabaseError {
  code?: string;
  constraint?: string;
  /** Such as: Key (role)=(gpu) is not present in table "role". */
  detail?: string;
}

/**
 * What an error of PostgreSQL means to a client: for what only the database can see, such as another write at the same
 * moment. Undefined for errors that tell of a mistake of ours. Codes: PostgreSQL manual, appendix A.
 */
export function toDatabaseProblem(error: unknown): Problem | undefined {
  const { code = '', constraint = '', detail = '' } = error as DatabaseError;
  // character_not_in_repertoire, untranslatable_character.
  if (code === '22021' || code === '22P05')
    return new Problem('invalid', 'a text has the character U+0000, which cannot be stored: leave it out');
  // invalid_datetime_format, datetime_field_overflow, invalid_time_zone_displacement_value.
  if (code === '22007' || code === '22008' || code === '22009')
    return new Problem('invalid', 'a time is out of the range that can be stored: take one nearer to now');
  // foreign_key_violation.
  if (code === '23503') return new Problem('conflict', referenceOf(detail));
  // unique_violation, exclusion_violation.
  if ((code === '23505' || code === '23P01') && collisions[constraint] !== undefined)
    return new Problem('conflict', collisions[constraint](keyOf(detail)));
  // serialization_failure, deadlock_detected, lock_not_available, each after several attempts.
  if (code === '40001' || code === '40P01' || code === '55P03')
    return new Problem('unavailable', 'others were writing the same all the time: try again', { retryAfter: 1 });
  // query_canceled.
  if (code === '57014') return new Problem('unavailable', 'the query took too long: ask for less', { retryAfter: 5 });
  // disk_full.
  if (code === '53100')
    return new Problem('unavailable', "the database's disk is full: free space there; until then nothing is written", {
      retryAfter: 30,
    });
  // operator_intervention, connection_exception, too_many_connections, io_error, read_only_sql_transaction and the like.
  if (/^(57|08|53|58|25006)/.test(code)) return databaseAway();
  return undefined;
}

/** The database cannot be reached, or is going down. */
export function databaseAway(): Problem {
  return new Problem('unavailable', 'the database does not answer: try again', { retryAfter: 2 });
}

const collisions: Record<string, (key: string) => string> = {
  node_now_fqdn: (key) => `the name ${key} was given to another node just now: take another`,
  placement_no_overlap: () => 'another machine was placed there just now: read the rack again, and take other units',
  allocation_pkey: (key) => `address ${key} was given to another node just now: take another`,
  device_chassis_id: (key) => `chassis ${key} is another device's: machinedb device list shows whose`,
  relay_name: (key) => `there is a relay "${key}": revoke it first, or take another name`,
  intended_mac_pkey: (key) => `MAC ${key} was intended for another node just now: a port is in one machine`,
};

function keyOf(detail: string): string {
  return /^Key \(.*?\)=\((.*?)\)/.exec(detail)?.[1] ?? '';
}

function referenceOf(detail: string): string {
  const key = keyOf(detail);
  const absent = /is not present in table "(\w+)"/.exec(detail)?.[1];
  if (absent !== undefined) return `there is no ${absent} "${key}": machinedb ${absent} list shows them`;
  const user = /referenced from table "(\w+)"/.exec(detail)?.[1] ?? 'something else';
  return `"${key}" is used by ${(users[user] ?? user).replaceAll('_', ' ')}: end that use first`;
}

/** Tables by what a person would call a row. */
const users: Record<string, string> = {
  node_now: 'a node',
  placement: 'a node or device',
  room: 'a room',
  power_feed: 'a power feed',
  device: 'a device',
  port_place: 'a port whose place it is',
  allocation: 'an address that is given out',
  rack: 'a rack',
  network: 'a network',
  approval_rule: 'an approval rule',
  join_token: 'a join token',
  relay: 'a relay',
};
