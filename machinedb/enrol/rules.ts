import { sql } from 'kysely';
import type { Tx } from '../db.ts';
import type { Hardware } from '../schema.ts';
import { identifying } from './match.ts';
import { plainAddress } from './source.ts';

export interface RuleMatch {
  name: string;
  site: string | null;
  role: string | null;
  take_place: number | null;
}

/**
 * Takes one use of the first approval rule (by name) that all of a claim's facts meet; undefined when none does.
 *
 * @param from address that the claim came from
 */
export async function takeRule(tx: Tx, hardware: Hardware, from: string): Promise<RuleMatch | undefined> {
  const { serial, vendor, product } = identifying(hardware);
  const { rows } = await sql<RuleMatch>`
    select name, site, role, take_place from approval_rule
    where (serials is null or ${serial ?? null}::text = any (serials))
      and (networks is null or exists (select from unnest(networks) as n where ${plainAddress(from)}::inet <<= n))
      and (vendor is null or vendor = ${vendor ?? null})
      and (product is null or product = ${product ?? null})
      and (expires_at is null or expires_at > now())
      and (uses_left is null or uses_left > 0)
    order by name limit 1 for update`.execute(tx);
  const rule = rows[0];
  if (rule === undefined) return undefined;
  await tx
    .updateTable('approval_rule')
    .set({ uses_left: sql`uses_left - 1` })
    .where('name', '=', rule.name)
    .where('uses_left', 'is not', null)
    .execute();
  return rule;
}
