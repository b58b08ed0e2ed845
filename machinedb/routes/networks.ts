import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { project } from '../intent/project.ts';
import { checkNotIntended, putNetwork, toNetwork } from '../places/networks.ts';
import { placeEvent, removePlace } from '../places/place-removal.ts';

export const networkRoutes = {
  listNetworks: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('network')
      .selectAll()
      .where('name', '>', readCursor(query.cursor, keyForms.name) ?? '')
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    const reserved = await db
      .selectFrom('network_reserved')
      .selectAll()
      .where('network', 'in', [...rows.map(({ name }) => name), ''])
      .orderBy('first')
      .execute();
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => toNetwork(row, reserved),
    );
  },
  putNetwork: (context, request) =>
    write(context, request, async (tx) => {
      const { network: name } = request.input.params;
      const { reply, nodes } = await putNetwork(tx, name, request.input.body);
      const who = actor(request.caller);
      const projected = await project(tx, context.keys, nodes, who);
      await append(tx, projected.revisions, [placeEvent('network.put', `network/${name}`, who, reply)]);
      return reply;
    }),
  deleteNetwork: (context, request) =>
    write(context, request, async (tx) => {
      const { network } = request.input.params;
      await checkNotIntended(tx, network);
      const resting = await tx
        .selectFrom('allocation')
        .select('address')
        .where('network', '=', network)
        .where('state', '=', 'quarantined')
        .executeTakeFirst();
      if (resting !== undefined)
        throw new Problem(
          'conflict',
          `network "${network}" has addresses in quarantine (${resting.address}): wait until they are free`,
        );
      return await removePlace(tx, 'network', `network/${network}`, network, undefined, actor(request.caller));
    }),
} satisfies Partial<Handlers>;
