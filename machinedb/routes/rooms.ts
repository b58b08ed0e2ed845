import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { placeEvent } from '../places/place-removal.ts';

interface Row {
  site: string;
  name: string;
  description: string | null;
  rows: string[];
}

const toRoom = ({ site, name, description, rows }: Row) => ({
  ...{ site, name, description: description ?? undefined },
  ...(rows.length === 0 ? {} : { rows }),
});

export const roomRoutes = {
  listRooms: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', name = ''] = (readCursor(query.cursor, keyForms.rack) ?? '').split('/');
    const { rows } = await sql<Row>`
      select site, name, description, array(select r.name from room_row r where r.site = room.site and r.room = room.name
        order by r.name) as rows
      from room where (site, name) > (${site}, ${name}) and site = coalesce(${query.site ?? null}, site)
      order by site, name limit ${limit + 1}`.execute(db);
    return toPage(rows, limit, (row) => `${row.site}/${row.name}`, toRoom);
  },
  putRoom: async (context, request) =>
    await write(context, request, async (tx) => {
      const { site, room } = request.input.params;
      const { description, rows = [] } = request.input.body;
      const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
      if (known === undefined)
        throw new Problem('invalid', `there is no site "${site}": machinedb site list shows them`);
      const values = { description: description ?? null };
      await tx
        .insertInto('room')
        .values({ site, name: room, ...values })
        .onConflict((conflict) => conflict.columns(['site', 'name']).doUpdateSet(values))
        .execute();
      const { rows: used } = await sql<{ row_name: string; name: string }>`
        select row_name, name from rack where site = ${site} and room = ${room} and row_name <> all (${rows})
        order by name limit 1`.execute(tx);
      if (used[0] !== undefined)
        throw new Problem(
          'conflict',
          `rack ${used[0].name} stands in row ${used[0].row_name} of room ${room}: put it elsewhere first`,
        );
      await sql`delete from room_row where site = ${site} and room = ${room} and name <> all (${rows})`.execute(tx);
      await sql`
        insert into room_row (site, room, name) select ${site}, ${room}, unnest(${rows}::text[])
        on conflict do nothing`.execute(tx);
      const names = [...new Set(rows)].sort();
      await append(
        tx,
        [],
        [placeEvent('room.put', `room/${site}:${room}`, actor(request.caller), { ...values, rows: names })],
      );
      return toRoom({ site, name: room, ...values, rows: names });
    }),
  deleteRoom: async (context, request) =>
    await write(context, request, async (tx) => {
      const { site, room } = request.input.params;
      const racks = tx.selectFrom('rack').select('name').where('site', '=', site).where('room', '=', room);
      const rack = await racks.executeTakeFirst();
      if (rack !== undefined)
        throw new Problem('conflict', `room "${room}" has rack ${rack.name}: put it elsewhere first`);
      const deletion = tx.deleteFrom('room').where('site', '=', site).where('name', '=', room);
      if ((await deletion.executeTakeFirstOrThrow()).numDeletedRows === 0n)
        throw new Problem('not_found', `there is no room "${room}" in site "${site}": machinedb room list shows them`);
      await append(tx, [], [placeEvent('room.deleted', `room/${site}:${room}`, actor(request.caller))]);
      return { deleted: true };
    }),
} satisfies Partial<Handlers>;
