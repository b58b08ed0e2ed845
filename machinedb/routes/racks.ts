import { type Selectable, sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { placeEvent, removePlace } from '../places/place-removal.ts';
import { racksAt } from '../places/racks-at.ts';
import type { Database } from '../schema.ts';

const toRack = ({ site, name, height, description }: Omit<Selectable<Database['rack']>, 'created_at'>) => ({
  site,
  name,
  height,
  description: description ?? undefined,
});

export const rackRoutes = {
  listRacks: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', name = ''] = (readCursor(query.cursor, keyForms.rack) ?? '').split('/');
    if (query.as_of !== undefined) {
      const then = await racksAt(db, query.as_of, { site: query.site, after: { site, name }, limit: limit + 1 });
      return toPage(then, limit, (row) => `${row.site}/${row.name}`, toRack);
    }
    let select = db
      .selectFrom('rack')
      .selectAll()
      .where(sql<boolean>`(site, name) > (${site}, ${name})`)
      .orderBy('site')
      .orderBy('name')
      .limit(limit + 1);
    if (query.site !== undefined) select = select.where('site', '=', query.site);
    return toPage(await select.execute(), limit, (row) => `${row.site}/${row.name}`, toRack);
  },
  putRack: (context, request) =>
    write(context, request, async (tx) => {
      const { site, rack } = request.input.params;
      const { height, description } = request.input.body;
      const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
      if (known === undefined)
        throw new Problem(
          'invalid',
          `there is no site "${site}": machinedb site list shows them, machinedb site put ${site} makes it`,
        );
      const values = { height, description: description ?? null };
      const row = await tx
        .insertInto('rack')
        .values({ site, name: rack, ...values })
        .onConflict((conflict) => conflict.columns(['site', 'name']).doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      // The row is ours now: whoever places a machine here comes before or after.
      const { rows } = await sql<{
        top: number | null;
      }>`select max(upper(units)) - 1 as top from placement where site = ${site} and rack = ${rack}`.execute(tx);
      const top = rows[0]?.top ?? 0;
      if (top > height)
        throw new Problem(
          'conflict',
          `unit ${top} of rack ${rack} in site ${site} is taken: a height of ${height} would cut it off`,
        );
      await append(tx, [], [placeEvent('rack.put', `rack/${site}:${rack}`, actor(request.caller), values)]);
      return toRack(row);
    }),
  deleteRack: (context, request) =>
    write(context, request, async (tx) => {
      const { site, rack } = request.input.params;
      const networks = tx.selectFrom('network').select('name').where('site', '=', site).where('rack', '=', rack);
      const network = await networks.executeTakeFirst();
      if (network !== undefined)
        throw new Problem('conflict', `rack "${rack}" has network ${network.name}: delete its networks first`);
      return await removePlace(tx, 'rack', `rack/${site}:${rack}`, rack, site, actor(request.caller));
    }),
} satisfies Partial<Handlers>;
