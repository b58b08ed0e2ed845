import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { removeFeed, storeFeed } from '../places/feeds.ts';
import { placeEvent } from '../places/place-removal.ts';
import { upstreamOf } from '../places/rack-view.ts';
import { sitePower } from '../places/site-power.ts';

/** Whose acts those on a feed are. */
const subjectOf = (site: string, rack: string | undefined) =>
  rack === undefined ? `site/${site}` : `rack/${site}:${rack}`;

/** Keys of the list: names of sites and racks have no slash. */
const feedKey = /^[^/]{1,63}\/[^/]{0,63}\/[^/]{1,63}$/;

interface FeedRow {
  site: string;
  rack: string;
  name: string;
  rating_w: number;
  pdu: string | null;
  upstream: string | null;
}

export const powerRoutes = {
  listFeeds: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', rack = '', name = ''] = (readCursor(query.cursor, feedKey) ?? '').split('/');
    const { rows } = await sql<FeedRow>`
      select site, rack, name, rating_w, pdu, ${upstreamOf} as upstream from power_feed
      where (site, rack, name) > (${site}, ${rack}, ${name}) and site = coalesce(${query.site ?? null}, site)
        and rack = coalesce(${query.rack ?? null}, rack)
      order by site, rack, name limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      (row) => `${row.site}/${row.rack}/${row.name}`,
      ({ rack: of, pdu, upstream, ...row }) => ({
        ...{ ...row, rack: of === '' ? undefined : of },
        ...{ upstream: upstream ?? undefined, pdu: pdu ?? undefined },
      }),
    );
  },
  putFeed: async (context, request) =>
    await write(context, request, async (tx) => {
      const { params, query, body } = request.input;
      const { site, feed } = params;
      const upstream = await storeFeed(tx, { site, rack: query.rack ?? '', name: feed }, body);
      const values = { ...body, upstream };
      const act = placeEvent('feed.put', subjectOf(site, query.rack), actor(request.caller), { name: feed, ...values });
      await append(tx, [], [act]);
      return { site, rack: query.rack, name: feed, ...values };
    }),
  deleteFeed: async (context, request) =>
    await write(context, request, async (tx) => {
      const { params, query } = request.input;
      const { site, feed } = params;
      await removeFeed(tx, { site, rack: query.rack ?? '', name: feed });
      const act = placeEvent('feed.deleted', subjectOf(site, query.rack), actor(request.caller), { name: feed });
      await append(tx, [], [act]);
      return { deleted: true };
    }),
  getPower: async ({ db }: Context, { input: { params, query } }) => {
    const fail = (query.fail ?? '').split(',').filter((name) => name !== '');
    return await sitePower(db, { site: params.site, rack: query.rack, fail });
  },
  listNameplates: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('nameplate')
      .selectAll()
      .where('model', '>', readCursor(query.cursor) ?? '')
      .orderBy('model')
      .limit(limit + 1)
      .execute();
    return toPage(
      rows,
      limit,
      ({ model }) => model,
      ({ description, ...row }) => ({ ...row, description: description ?? undefined }),
    );
  },
  putNameplate: async (context, request) =>
    await write(context, request, async (tx) => {
      const { params, body } = request.input;
      const values = { draw_w: body.draw_w, description: body.description ?? null };
      await tx
        .insertInto('nameplate')
        .values({ ...params, ...values })
        .onConflict((conflict) => conflict.column('model').doUpdateSet(values))
        .execute();
      await append(tx, [], [placeEvent('nameplate.put', 'fleet', actor(request.caller), { ...params, ...values })]);
      return { ...params, ...body };
    }),
  deleteNameplate: async (context, request) =>
    await write(context, request, async (tx) => {
      const { model } = request.input.params;
      const { numDeletedRows } = await tx.deleteFrom('nameplate').where('model', '=', model).executeTakeFirstOrThrow();
      if (numDeletedRows === 0n)
        throw new Problem('not_found', `there is no nameplate of "${model}": machinedb nameplate list shows them`);
      await append(tx, [], [placeEvent('nameplate.deleted', 'fleet', actor(request.caller), { model })]);
      return { deleted: true };
    }),
} satisfies Partial<Handlers>;
