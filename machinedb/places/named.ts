import type { Reader } from '../db.ts';
import { Problem } from '../http/problem.ts';

export interface Named {
  site?: string | undefined;
  /** Of the site, where one is named, or of any. */
  rack?: string | undefined;
  role?: string | undefined;
}

/**
 * Throws a 404 that names the first of these that does not exist. For questions that found nothing: a misspelt role must not
 * look like a role without nodes.
 */
export async function checkNamed(db: Reader, { site, rack, role }: Named): Promise<void> {
  const missing = async (table: 'site' | 'rack' | 'role', name: string | undefined) => {
    if (name === undefined) return false;
    let rows = db.selectFrom(table).select('name').where('name', '=', name).limit(1);
    if (table === 'rack' && site !== undefined) rows = rows.where('site' as never, '=', site as never);
    return (await rows.executeTakeFirst()) === undefined;
  };
  if (await missing('site', site)) throw none('site', `"${site}"`, `${site}`);
  if (await missing('rack', rack))
    throw none(
      'rack',
      site === undefined ? `"${rack}"` : `"${rack}" in site "${site}"`,
      `${site ?? 'SITE'} ${rack} --height 42`,
    );
  if (await missing('role', role)) throw none('role', `"${role}"`, `${role}`);
}

function none(noun: string, what: string, put: string): Problem {
  return new Problem(
    'not_found',
    `there is no ${noun} ${what}: machinedb ${noun} list shows them, machinedb ${noun} put ${put} makes it`,
  );
}
