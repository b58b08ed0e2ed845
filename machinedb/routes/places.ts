import { type Selectable, sql } from 'kysely';
import { actor, type Context, type Handlers } from '../context.ts';
import type { Reader, Tx } from '../db.ts';
import { append, type NewEvent } from '../feed.ts';
import { checkNotIntended, putNetwork, toNetwork } from '../networks.ts';
import { readCursor, toPage } from '../page.ts';
import { Problem } from '../problem.ts';
import { project } from '../project.ts';
import { releaseAllocation, toAllocation } from '../release.ts';
import type { Database } from '../schema.ts';
import { write } from '../write.ts';

type Described = { name: string; description: string | null };
const toDescribed = ({ name, description }: Described) => ({ name, description: description ?? undefined });
const toRack = ({ site, name, height, description }: Selectable<Database['rack']>) => ({
  site,
  name,
  height,
  description: description ?? undefined,
});

const KEY = '\u0000';

/** Lists of sites and of roles are alike. */
async function listDescribed(
  db: Reader,
  table: 'site' | 'role',
  query: { cursor?: string | undefined; limit?: number | undefined },
) {
  const limit = query.limit ?? 100;
  const rows = await db
    .selectFrom(table)
    .select(['name', 'description'])
    .where('name', '>', readCursor(query.cursor) ?? '')
    .orderBy('name')
    .limit(limit + 1)
    .execute();
  return toPage(rows, limit, ({ name }) => name, toDescribed);
}

async function putDescribed(
  tx: Tx,
  table: 'site' | 'role',
  name: string,
  description: string | undefined,
  who: string,
) {
  const values = { description: description ?? null };
  await tx
    .insertInto(table)
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
  await append(tx, [], [event(`${table}.put`, `${table}/${name}`, who, values)]);
  return toDescribed({ name, ...values });
}

function event(kind: string, subject: string, who: string, data: Record<string, unknown> = {}): NewEvent {
  return { kind, subject, actor: who, data };
}

/** Ends a row and its intent. Throws, naming the users, while something uses it. */
async function remove(
  tx: Tx,
  table: 'site' | 'role' | 'rack' | 'network',
  subject: string,
  name: string,
  site: string | undefined,
  who: string,
) {
  let deletion = tx.deleteFrom(table).where('name', '=', name);
  if (site !== undefined) deletion = deletion.where('site' as never, '=', site as never);
  await checkUnused(tx, table, name, site);
  const { numDeletedRows } = await deletion.executeTakeFirstOrThrow();
  if (numDeletedRows === 0n)
    throw new Problem('not_found', `there is no ${table} "${name}": machinedb ${table} list shows them`);
  const { rows } = await sql<{ section: string }>`
    select section from revision where subject = ${subject} and side = 'intended' and upper_inf(valid) and data is not null`.execute(
    tx,
  );
  const ended = rows.map(
    ({ section }) => ({ subject, section, side: 'intended', source: 'operator', data: null, actor: who }) as const,
  );
  await append(tx, ended, [event(`${table}.deleted`, subject, who)]);
  return { deleted: true };
}

async function checkUnused(tx: Tx, table: string, name: string, site: string | undefined): Promise<void> {
  const nodes = await tx
    .selectFrom('node_now')
    .select(['node', 'fqdn', 'observed_name'])
    .where((eb) => {
      if (table === 'site') return eb('site', '=', name);
      if (table === 'role') return eb('role', '=', name);
      if (table === 'rack') return eb.and([eb('site', '=', site!), eb('rack', '=', name)]);
      return eb(
        'node',
        'in',
        eb
          .selectFrom('allocation')
          .select('node')
          .where('network', '=', name)
          .where('node', 'is not', null)
          .$castTo<{ node: string }>(),
      );
    })
    .limit(5)
    .execute();
  if (nodes.length === 0) return;
  const names = nodes.map((row) => row.fqdn ?? row.observed_name ?? row.node).join(', ');
  throw new Problem(
    'conflict',
    `${table} "${name}" is used by ${names}${nodes.length === 5 ? ' and maybe others' : ''}: give them another first`,
  );
}

export const placeRoutes = {
  listSites: ({ db }: Context, { input: { query } }) => listDescribed(db, 'site', query),
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
      return await remove(tx, 'site', `site/${site}`, site, undefined, actor(request.caller));
    }),
  listRacks: async ({ db }, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const [site = '', name = ''] = (readCursor(query.cursor) ?? '').split(KEY);
    let select = db
      .selectFrom('rack')
      .selectAll()
      .where(sql<boolean>`(site, name) > (${site}, ${name})`)
      .orderBy('site')
      .orderBy('name')
      .limit(limit + 1);
    if (query.site !== undefined) select = select.where('site', '=', query.site);
    return toPage(await select.execute(), limit, (row) => `${row.site}${KEY}${row.name}`, toRack);
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
      const { rows } = await sql<{
        top: number | null;
      }>`select max(upper(units)) - 1 as top from placement where site = ${site} and rack = ${rack}`.execute(tx);
      const top = rows[0]?.top ?? 0;
      if (top > height)
        throw new Problem(
          'conflict',
          `unit ${top} of rack ${rack} in site ${site} is taken: a height of ${height} would cut it off`,
        );
      const values = { height, description: description ?? null };
      const row = await tx
        .insertInto('rack')
        .values({ site, name: rack, ...values })
        .onConflict((conflict) => conflict.columns(['site', 'name']).doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      await append(tx, [], [event('rack.put', `rack/${site}:${rack}`, actor(request.caller), values)]);
      return toRack(row);
    }),
  deleteRack: (context, request) =>
    write(context, request, async (tx) => {
      const { site, rack } = request.input.params;
      return await remove(tx, 'rack', `rack/${site}:${rack}`, rack, site, actor(request.caller));
    }),
  listRoles: ({ db }, { input: { query } }) => listDescribed(db, 'role', query),
  putRole: (context, request) =>
    write(context, request, (tx) =>
      putDescribed(tx, 'role', request.input.params.role, request.input.body.description, actor(request.caller)),
    ),
  deleteRole: (context, request) =>
    write(context, request, async (tx) => {
      const { role } = request.input.params;
      return await remove(tx, 'role', `role/${role}`, role, undefined, actor(request.caller));
    }),
  listNetworks: async ({ db }, { input: { query } }) => {
    const limit = query.limit ?? 100;
    const rows = await db
      .selectFrom('network')
      .selectAll()
      .where('name', '>', readCursor(query.cursor) ?? '')
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
      await append(tx, projected.revisions, [event('network.put', `network/${name}`, who, reply)]);
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
      return await remove(tx, 'network', `network/${network}`, network, undefined, actor(request.caller));
    }),
  listAllocations: async ({ db }, { input: { params, query } }) => {
    const limit = query.limit ?? 100;
    let select = db
      .selectFrom('allocation')
      .selectAll()
      .where('network', '=', params.network)
      .orderBy('address')
      .limit(limit + 1);
    const after = readCursor(query.cursor);
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
        event('address.released', node === null ? `network/${network}` : `node/${node}`, who, { network, address }),
      ]);
      return toAllocation(row);
    }),
} satisfies Partial<Handlers>;
