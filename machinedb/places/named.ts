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
  const named = (table: 'site' | 'role', name: string) =>
    db.selectFrom(table).select('name').where('name', '=', name).executeTakeFirst();
  if (site !== undefined && (await named('site', site)) === undefined) throw none('site', `"${site}"`, site);
  if (rack !== undefined) {
    const racks = db.selectFrom('rack').select('name').where('name', '=', rack);
    const found = await (site === undefined ? racks : racks.where('site', '=', site)).executeTakeFirst();
    const where = site === undefined ? '' : ` in site "${site}"`;
    if (found === undefined) throw none('rack', `"${rack}"${where}`, `${site ?? 'SITE'} ${rack} --height 42`);
  }
  if (role !== undefined && (await named('role', role)) === undefined) throw none('role', `"${role}"`, role);
}

function none(noun: string, what: string, put: string): Problem {
  return new Problem(
    'not_found',
    `there is no ${noun} ${what}: machinedb ${noun} list shows them, machinedb ${noun} put ${put} makes it`,
  );
}
