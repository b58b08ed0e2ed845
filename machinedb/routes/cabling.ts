import { sql } from 'kysely';
import type { Reply } from '../../shared/api.ts';
import { nicKey, storeCables } from '../cabling/cables.ts';
import { dueCabling } from '../cabling/due.ts';
import { storePortPlaces } from '../cabling/port-places.ts';
import { readProposals } from '../cabling/proposals.ts';
import { actor, type Context, type Handlers } from '../context.ts';
import { append } from '../feed/feed.ts';
import { keyForms, makeCursor, readCursor, toPage } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { nodeForRead, nodeForWrite } from '../nodes/node-ref.ts';
import { placeEvent } from '../places/place-removal.ts';

/** Keys of lists that are two texts of people: as JSON. */
const pairOf = (cursor: string | undefined) => {
  const key = readCursor(cursor, /^\["/);
  return key === undefined ? ['', ''] : (JSON.parse(key) as [string, string]);
};

type PortPlace = Reply<'listPortPlaces'>['items'][number];

export const cablingRoutes = {
  listCables: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [after, port] = pairOf(query.cursor);
    const node = query.node === undefined ? null : await nodeForRead(db, query.node);
    const { rows } = await sql<Reply<'listCables'>['items'][number]>`
      select c.node, coalesce(n.fqdn, n.observed_name, n.node::text) as name, c.nic, c.switch, c.port, c.created_by
      from cable c join node_now n on n.node = c.node
      where (c.switch, lower(c.port)) > (${after}, ${port}) and (${node}::uuid is null or c.node = ${node})
        and c.switch = coalesce(${query.switch ?? null}, c.switch)
      order by c.switch, lower(c.port) limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      (row) => JSON.stringify([row.switch, row.port.toLowerCase()]),
      (row) => row,
    );
  },
  putCables: async (context, request) =>
    await write(context, request, async (tx) => {
      const { items } = request.input.body;
      const who = actor(request.caller);
      await storeCables(tx, items, who);
      await append(tx, [], [placeEvent('cables.put', 'fleet', who, { items })]);
      return { stored: items.length };
    }),
  deleteCable: async (context, request) =>
    await write(context, request, async (tx) => {
      const { query } = request.input;
      const node = await nodeForWrite(tx, query.node);
      await sql`select from node where id = ${node} for update`.execute(tx);
      const deletion = tx.deleteFrom('cable').where('node', '=', node).where('nic', '=', nicKey(query.nic));
      const { numDeletedRows } = await deletion.executeTakeFirstOrThrow();
      if (numDeletedRows === 0n)
        throw new Problem(
          'not_found',
          `node ${query.node} has no intended cable at ${query.nic}: machinedb cable list shows them`,
        );
      await dueCabling(tx, [node]);
      const data = { nic: query.nic };
      await append(tx, [], [placeEvent('cable.deleted', `node/${node}`, actor(request.caller), data)]);
      return { deleted: true };
    }),
  listPortPlaces: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [after, port] = pairOf(query.cursor);
    const { rows } = await sql<Omit<PortPlace, 'unit'> & { standing: Pick<PortPlace, 'unit'> }>`
      select switch, port, site, rack, standing from port_place
      where (switch, lower(port)) > (${after}, ${port}) and site = coalesce(${query.site ?? null}, site)
        and rack = coalesce(${query.rack ?? null}, rack)
      order by switch, lower(port) limit ${limit + 1}`.execute(db);
    return toPage(
      rows,
      limit,
      (row) => JSON.stringify([row.switch, row.port.toLowerCase()]),
      ({ standing, ...row }) => ({ ...row, ...standing }),
    );
  },
  putPortPlaces: async (context, request) =>
    await write(context, request, async (tx) => {
      const { items } = request.input.body;
      await storePortPlaces(tx, items);
      await append(tx, [], [placeEvent('port_places.put', 'fleet', actor(request.caller), { items })]);
      return { stored: items.length };
    }),
  deletePortPlace: async (context, request) =>
    await write(context, request, async (tx) => {
      const { dry_run: _, ...data } = request.input.query;
      const { rows } = await sql`
        delete from port_place where switch = ${data.switch} and lower(port) = lower(${data.port}) returning port`.execute(
        tx,
      );
      if (rows.length === 0)
        throw new Problem(
          'not_found',
          `nothing is said of port ${data.port} of switch ${data.switch}: machinedb port-place list shows them`,
        );
      await append(tx, [], [placeEvent('port_place.deleted', 'fleet', actor(request.caller), data)]);
      return { deleted: true };
    }),
  listProposals: async ({ db }: Context, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const nodes = query.node === undefined ? undefined : [await nodeForRead(db, query.node)];
    const items = await readProposals(db, { nodes, after: readCursor(query.cursor, keyForms.id), limit });
    // Most nodes have a rack: a full page is the only sign that there may be more.
    return { items, ...(items.length < limit ? {} : { next: makeCursor(items.at(-1)!.node) }) };
  },
} satisfies Partial<Handlers>;
