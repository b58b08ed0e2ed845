import { sql } from 'kysely';
import type { Placement } from '../../shared/sections/placement.ts';
import { dueSwitch } from '../cabling/due.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { placeEvent } from '../places/place-removal.ts';
import { storePlacements } from '../places/placements.ts';
import { standingOf } from '../places/rack-view.ts';
import type { DeviceKind } from '../schema.ts';

interface Row {
  site: string;
  name: string;
  kind: DeviceKind;
  chassis_id: string | null;
  description: string | null;
  rack: string | null;
  standing: Partial<Placement> | null;
}

export const deviceRoutes = {
  listDevices: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', name = ''] = (readCursor(query.cursor, keyForms.rack) ?? '').split('/');
    const { rows } = await sql<Row>`
      select d.site, d.name, d.kind, d.chassis_id, d.description, p.rack,
        case when p.device is not null then ${standingOf} end as standing
      from device d left join placement p on p.site = d.site and p.device = d.name
      where (d.site, d.name) > (${site}, ${name}) and d.site = coalesce(${query.site ?? null}, d.site)
        and (${query.rack ?? null}::text is null or p.rack = ${query.rack ?? null})
      order by d.site, d.name limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      (row) => `${row.site}/${row.name}`,
      ({ standing, rack, chassis_id, description, ...row }) => ({
        ...{ ...row, rack: rack ?? undefined, ...standing },
        ...{ chassis_id: chassis_id ?? undefined, description: description ?? undefined },
      }),
    );
  },
  putDevice: async (context, request) =>
    await write(context, request, async (tx) => {
      const { params, body } = request.input;
      const { site, device } = params;
      const { kind, chassis_id, description, rack, ...standing } = body;
      const known = await tx.selectFrom('site').select('name').where('name', '=', site).executeTakeFirst();
      if (known === undefined)
        throw new Problem('invalid', `there is no site "${site}": machinedb site list shows them`);
      const values = { kind, chassis_id: chassis_id ?? null, description: description ?? null };
      await tx
        .insertInto('device')
        .values({ site, name: device, ...values })
        .onConflict((conflict) => conflict.columns(['site', 'name']).doUpdateSet(values))
        .execute();
      await dueSwitch(tx, device);
      await storePlacements(tx, [{ device, placement: { site, rack, ...standing } }]);
      await append(tx, [], [placeEvent('device.put', `device/${site}:${device}`, actor(request.caller), body)]);
      return { site, name: device, ...body };
    }),
  deleteDevice: async (context, request) =>
    await write(context, request, async (tx) => {
      const { site, device } = request.input.params;
      const feeds = tx.selectFrom('power_feed').select('name').where('site', '=', site).where('pdu', '=', device);
      const feed = await feeds.executeTakeFirst();
      if (feed !== undefined)
        throw new Problem('conflict', `device "${device}" is the PDU of feed ${feed.name}: give it another first`);
      await dueSwitch(tx, device);
      const deletion = tx.deleteFrom('device').where('site', '=', site).where('name', '=', device);
      if ((await deletion.executeTakeFirstOrThrow()).numDeletedRows === 0n)
        throw new Problem(
          'not_found',
          `there is no device "${device}" in site "${site}": machinedb device list shows them`,
        );
      await append(tx, [], [placeEvent('device.deleted', `device/${site}:${device}`, actor(request.caller))]);
      return { deleted: true };
    }),
} satisfies Partial<Handlers>;
