import type { Client } from '../../shared/client.ts';
import { type Machine, neighbor } from './machine.ts';
import { models } from './models.ts';
import { FEED_W, FEEDS, RACK_HEIGHT } from './place.ts';

/** Makes the sites, racks with their power, and roles that these machines need. Those that are there stay as they are. */
export async function makePlaces(client: Client, machines: Machine[]): Promise<void> {
  const places = machines.map(({ place }) => place);
  const put = async <Item>(items: Map<string, Item>, work: (item: Item) => Promise<unknown>) => {
    for (const item of items.values()) await work(item);
  };
  await put(new Map(places.map(({ site }) => [site, site])), (site) =>
    client.call('putSite', { params: { site }, body: { description: 'Lab' } }),
  );
  await put(new Map(places.map(({ site, rack }) => [`${site} ${rack}`, { site, rack }])), async (params) => {
    await client.call('putRack', { params, body: { height: RACK_HEIGHT } });
    const { site, rack } = params;
    for (const feed of FEEDS)
      await client.call('putFeed', { params: { site, feed }, query: { rack }, body: { rating_w: FEED_W } });
  });
  for (const { product, draw_w } of Object.values(models))
    await client.call('putNameplate', { params: { model: `Lab Systems ${product}` }, query: {}, body: { draw_w } });
  await put(new Map(places.map(({ model }) => [model.role, model.role])), (role) =>
    client.call('putRole', { params: { role }, body: {} }),
  );
}

/** Ids of the nodes that have a place already. */
export async function placedNodes(client: Client): Promise<Set<string>> {
  const placed = new Set<string>();
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await client.call('listNodes', { query: { limit: 1000, ...(cursor && { cursor }) } });
    for (const { id, rack } of items) if (rack !== undefined) placed.add(id);
    if (next === undefined) return placed;
    cursor = next;
  }
}

/** Gives a node its place, role and name, as a person would. */
export async function assign(client: Client, node: string, { place }: Machine): Promise<void> {
  const { site, rack, unit, fqdn, model } = place;
  await client.call('assignNode', {
    params: { node },
    query: {},
    body: {
      site,
      rack,
      unit,
      height: model.height,
      role: model.role,
      tags: ['lab'],
      fqdn,
      reason: 'a machine of the lab',
    },
  });
}

/** Rows of one write, so that it is short. */
const ROWS = 2000;

/** Intends the cables of these nodes, and says where the machines at their switch ports stand, as whoever plans racks would. */
export async function intendCables(client: Client, machines: Map<string, Machine>): Promise<void> {
  const ends = [...machines].flatMap(([node, { place, sections }]) =>
    Object.keys(sections.lldp!).map((nic, side) => {
      const { system_name, port_id } = Object.values(neighbor(place, side))[0]!;
      return { node, nic, place, at: { switch: system_name, port: port_id } };
    }),
  );
  for (let i = 0; i < ends.length; i += ROWS) {
    const some = ends.slice(i, i + ROWS);
    const cables = some.map(({ node, nic, at }) => ({ node, nic, ...at }));
    await client.call('putCables', { query: {}, body: { items: cables } });
    const places = some.map(({ at, place: { site, rack, unit, model } }) => ({
      ...at,
      ...{ site, rack, unit, height: model.height },
    }));
    await client.call('putPortPlaces', { query: {}, body: { items: places } });
  }
}
