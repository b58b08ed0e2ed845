import { type RawBuilder, sql } from 'kysely';
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

/** Whether an approval rule is met by what a claim tells, and by the address that it came from. */
function meets(
  serial: RawBuilder<string>,
  vendor: RawBuilder<string>,
  product: RawBuilder<string>,
  from: RawBuilder<string>,
) {
  return sql<boolean>`(serials is null or ${serial} = any (serials))
      and (networks is null or exists (select from unnest(networks) as n where ${from} <<= n))
      and (vendor is null or vendor = ${vendor})
      and (product is null or product = ${product})
      and (expires_at is null or expires_at > now())
      and (uses_left is null or uses_left > 0)`;
}

/** The first approval rule (by name) that each of these claims meets, by its place in the list; others are absent. */
export async function ruled(tx: Tx, claims: { hardware: Hardware; from: string }[]): Promise<Map<number, string>> {
  const facts = claims.map(({ hardware, from }, place) => {
    const { serial, vendor, product } = identifying(hardware);
    return {
      place,
      claimed_serial: serial,
      claimed_vendor: vendor,
      claimed_product: product,
      origin: plainAddress(from),
    };
  });
  const is = meets(sql`claimed_serial`, sql`claimed_vendor`, sql`claimed_product`, sql`origin`);
  const { rows } = await sql<{ place: number; name: string }>`
    select place, rule.name from json_to_recordset(${JSON.stringify(facts)}::json) as
      x(place int, claimed_serial text, claimed_vendor text, claimed_product text, origin inet)
    cross join lateral (select name from approval_rule where ${is} order by name limit 1) as rule`.execute(tx);
  return new Map(rows.map(({ place, name }) => [place, name]));
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
    where ${meets(sql`${serial ?? null}::text`, sql`${vendor ?? null}`, sql`${product ?? null}`, sql`${plainAddress(from)}::inet`)}
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
