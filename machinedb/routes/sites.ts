import { actor, type Context, type Handlers } from '../context.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { listDescribed, putDescribed } from '../places/described.ts';
import { removePlace } from '../places/place-removal.ts';
import { readOutages } from '../watch/outages.ts';

export const siteRoutes = {
  listSites: async ({ db }: Context, { input: { query } }) => {
    const { items, ...rest } = await listDescribed(db, 'site', query);
    const outages = new Map((await readOutages(db))?.map(({ site, ...of }) => [site, of]));
    return { items: items.map((item) => ({ ...item, unreachable: outages.get(item.name) })), ...rest };
  },
  putSite: (context, request) =>
    write(context, request, (tx) =>
      putDescribed(tx, 'site', request.input.params.site, request.input.body.description, actor(request.caller)),
    ),
  deleteSite: (context, request) =>
    write(context, request, async (tx) => {
      const { site } = request.input.params;
      const rack = await tx.selectFrom('rack').select('name').where('site', '=', site).executeTakeFirst();
      if (rack !== undefined)
        throw new Problem('conflict', `site "${site}" has rack ${rack.name}: delete its racks first`);
      const network = await tx.selectFrom('network').select('name').where('site', '=', site).executeTakeFirst();
      if (network !== undefined)
        throw new Problem('conflict', `site "${site}" has network ${network.name}: delete its networks first`);
      return await removePlace(tx, 'site', `site/${site}`, site, undefined, actor(request.caller));
    }),
} satisfies Partial<Handlers>;
