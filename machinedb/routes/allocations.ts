import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { write } from '../http/write.ts';
import { project } from '../intent/project.ts';
import type { Scope } from '../places/nearest.ts';
import { placeEvent } from '../places/place-removal.ts';
import { releaseAllocation, toAllocation } from '../places/release.ts';

/** The networks of a name: all of them, or those of a site or rack. */
function networksOf(db: Reader, name: string, { site, rack }: Scope) {
  let select = db.selectFrom('network').select('key').where('name', '=', name);
  if (site !== undefined) select = select.where('site', '=', site);
  return rack === undefined ? select : select.where('rack', '=', rack);
}

export const allocationRoutes = {
  listAllocations: async ({ db }: Context, { input: { params, query } }) => {
    const limit = query.limit ?? 100;
    let select = db
      .selectFrom('allocation')
      .selectAll()
      .where('network', 'in', networksOf(db, params.network, query))
      .orderBy('address')
      .limit(limit + 1);
    const after = readCursor(query.cursor, keyForms.address);
    if (after !== undefined) select = select.where('address', '>', after);
    return toPage(await select.execute(), limit, ({ address }) => address, toAllocation);
  },
  releaseAllocation: (context, request) =>
    write(context, request, async (tx) => {
      const { network, address } = request.input.params;
      const { row, node } = await releaseAllocation(
        tx,
        network,
        address,
        request.input.query.force === true,
        context.config.quarantineMs,
      );
      const who = actor(request.caller);
      const projected = node === null ? undefined : await project(tx, context.keys, [node], who);
      await append(tx, projected?.revisions ?? [], [
        placeEvent('address.released', node === null ? `network/${row.network}` : `node/${node}`, who, {
          network,
          address,
        }),
      ]);
      return toAllocation(row);
    }),
} satisfies Partial<Handlers>;
