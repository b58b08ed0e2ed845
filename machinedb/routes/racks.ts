import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import type { Tx } from '../db.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { placeEvent, removePlace } from '../places/place-removal.ts';
import { describeRack, viewRack } from '../places/rack-view.ts';
import { type RackAt, racksAt } from '../places/racks-at.ts';

const toRack = ({ site, name, ...row }: RackAt) => ({ site, name, ...describeRack(row) });

export const rackRoutes = {
  listRacks: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', name = ''] = (readCursor(query.cursor, keyForms.rack) ?? '').split('/');
    if (query.as_of !== undefined) {
      const then = await racksAt(db, query.as_of, {
        site: query.site,
        named: query.name,
        after: { site, name },
        limit: limit + 1,
      });
      return toPage(then, limit, (row) => `${row.site}/${row.name}`, toRack);
    }
    let select = db
      .selectFrom('rack')
      .selectAll()
      .where(sql<boolean>`(site, name) > (${site}, ${name})`)
      .orderBy('site')
      .orderBy('name')
      .limit(limit + 1);
    if (query.name !== undefined) select = select.where('name', '=', query.name);
    if (query.site !== undefined) select = select.where('site', '=', query.site);
    return toPage(await select.execute(), limit, (row) => `${row.site}/${row.name}`, toRack);
  },
  getRack: async ({ db }: Context, { input: { params, query } }) => await viewRack(db, params, query.as_of),
  putRack: (context, request) =>
    write(context, request, async (tx) => {
      const { site, rack } = request.input.params;
      const { height, description, descending, room, row: rowName, position } = request.input.body;
      const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
      if (known === undefined)
        throw new Problem(
          'invalid',
          `there is no site "${site}": machinedb site list shows them, machinedb site put ${site} makes it`,
        );
      await checkRow(tx, site, room, rowName);
      const values = {
        ...{ height, description: description ?? null, descending: descending ?? false },
        ...{ room: room ?? null, row_name: rowName ?? null, position: position ?? null },
      };
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
      await checkEmpty(tx, site, rack);
      return await removePlace(tx, 'rack', `rack/${site}:${rack}`, rack, site, actor(request.caller));
    }),
} satisfies Partial<Handlers>;

/** Throws when a site has no such room, or the room no such row. */
async function checkRow(tx: Tx, site: string, room: string | undefined, row: string | undefined): Promise<void> {
  if (room === undefined) {
    if (row === undefined) return;
    throw new Problem('invalid', `row ${row} is in no room: give room, too`);
  }
  const rows = await tx
    .selectFrom('room')
    .leftJoin('room_row as r', (join) => join.onRef('r.site', '=', 'room.site').onRef('r.room', '=', 'room.name'))
    .select('r.name')
    .where('room.site', '=', site)
    .where('room.name', '=', room)
    .execute();
  if (rows.length === 0)
    throw new Problem('invalid', `site ${site} has no room ${room}: machinedb room list shows them`);
  if (row !== undefined && !rows.some(({ name }) => name === row))
    throw new Problem('invalid', `room ${room} of site ${site} has no row ${row}: machinedb room list shows them`);
}

async function checkEmpty(tx: Tx, site: string, rack: string): Promise<void> {
  const device = await tx
    .selectFrom('placement')
    .select('device')
    .where('site', '=', site)
    .where('rack', '=', rack)
    .where('device', 'is not', null)
    .executeTakeFirst();
  if (device !== undefined)
    throw new Problem('conflict', `rack "${rack}" has device ${device.device}: place it elsewhere, or delete it first`);
  const feeds = tx.selectFrom('power_feed').select('name').where('site', '=', site).where('rack', '=', rack);
  const feed = await feeds.executeTakeFirst();
  if (feed !== undefined)
    throw new Problem('conflict', `rack "${rack}" has power feed ${feed.name}: delete its feeds first`);
}
