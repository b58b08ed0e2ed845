import { sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { checkAffected } from '../intent/intent.ts';
import { project } from '../intent/project.ts';
import { networkKey, networkText } from '../places/nearest.ts';
import { checkNotIntended, checkScope, lockAllNetworks, putNetwork, toNetwork } from '../places/networks.ts';
import { placeEvent, removePlace } from '../places/place-removal.ts';

export const networkRoutes = {
  listNetworks: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [name = '', key = ''] = (readCursor(query.cursor, keyForms.network) ?? '').split('/');
    const rows = await db
      .selectFrom('network')
      .selectAll()
      .where(sql<boolean>`(name, key) > (${name}, ${key})`)
      .orderBy('name')
      .orderBy('key')
      .limit(limit + 1)
      .execute();
    const reserved = await db
      .selectFrom('network_reserved')
      .selectAll()
      .where('network', 'in', [...rows.map((row) => row.key), ''])
      .orderBy('first')
      .execute();
    return toPage(
      rows,
      limit,
      (row) => `${row.name}/${row.key}`,
      (row) => toNetwork(row, reserved),
    );
  },
  putNetwork: (context, request) =>
    write(context, request, async (tx) => {
      const { params, query, body } = request.input;
      const scope = { site: query.site, rack: query.rack };
      const { reply, nodes } = await putNetwork(tx, params.network, scope, body);
      const who = actor(request.caller);
      const key = networkKey(params.network, scope);
      const change = { what: `network ${networkText(key)}`, actor: who };
      const projected = await project(tx, context.keys, nodes, who, { change });
      const affected = projected.affected.length;
      checkAffected(affected, query.max_affected);
      await append(tx, projected.revisions, [placeEvent('network.put', `network/${key}`, who, reply)]);
      return { ...reply, affected };
    }),
  deleteNetwork: (context, request) =>
    write(context, request, async (tx) => {
      const { params, query } = request.input;
      const key = networkKey(params.network, query);
      await checkScope(tx, query);
      await lockAllNetworks(tx);
      await checkNotIntended(tx, params.network, key);
      const resting = await tx
        .selectFrom('allocation')
        .select('address')
        .where('network', '=', key)
        .where('state', '=', 'quarantined')
        .executeTakeFirst();
      if (resting !== undefined)
        throw new Problem(
          'conflict',
          `network "${key}" has addresses in quarantine (${resting.address}): wait until they are free`,
        );
      return await removePlace(tx, 'network', `network/${key}`, key, undefined, actor(request.caller));
    }),
} satisfies Partial<Handlers>;
