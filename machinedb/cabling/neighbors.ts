import { sql } from 'kysely';
import type { Lldp } from '../../shared/sections/lldp.ts';
import type { Nics } from '../../shared/sections/nics.ts';
import type { Tx } from '../db.ts';

/** One thing that an interface hears. */
interface Row {
  node: string;
  interface: string;
  mac: string | undefined;
  switches: string[];
  ports: string[];
  /** As people read them. */
  switch: string;
  port: string;
}

/** Neighbours of one node that are looked at. */
const MOST = 1000;

type Neighbor = Lldp[string][string];

/** What the interfaces of a node hear. A neighbour is known by its chassis id and its name; a port by its id and description. */
export function neighborsOf(node: string, { lldp = {}, nics = {} }: { lldp?: Lldp; nics?: Nics }): Row[] {
  const macs = new Map(Object.values(nics).map(({ name, mac }) => [name, mac]));
  const rows = Object.entries(lldp).flatMap(([name, heard]) =>
    Object.values(heard).map((neighbor) => ({
      ...{ node, interface: clip(name), mac: macs.get(name) },
      switches: known(neighbor.chassis_id, neighbor.system_name),
      ports: known(neighbor.port_id, neighbor.port_description),
      switch: clip(neighbor.system_name ?? neighbor.chassis_id ?? ''),
      port: clip(portName(neighbor)),
    })),
  );
  return rows.slice(0, MOST);
}

// What a machine sends is kept no longer than an LLDP frame could be (IEEE 802.1AB, 8.5: 255 octets), so that it fits an index.
const clip = (text: string) => text.slice(0, 255);

function known(...names: (string | undefined)[]): string[] {
  return [...new Set(names.flatMap((name) => clip(name?.trim().toLowerCase() ?? '') || []))];
}

/** Some switches tell a number or a MAC as port id, and the name that people know in the description. */
function portName({ port_id, port_id_subtype, port_description }: Neighbor): string {
  const opaque = port_id_subtype === 'local' || port_id_subtype === 'mac';
  return (opaque ? (port_description ?? port_id) : (port_id ?? port_description)) ?? '';
}

/** Brings the neighbours of nodes, which the caller has locked, up to date with what they report. */
export async function storeNeighbors(tx: Tx, nodes: string[]): Promise<void> {
  const { rows } = await sql<{ node: string; sections: { lldp?: Lldp; nics?: Nics } }>`
    select node, jsonb_strip_nulls(jsonb_build_object('lldp', observed -> 'lldp', 'nics', observed -> 'nics')) as sections
    from node_now where node = any (${nodes}::uuid[])`.execute(tx);
  const json = JSON.stringify(rows.flatMap(({ node, sections }) => neighborsOf(node, sections)));
  await sql`delete from neighbor where node = any (${nodes}::uuid[])`.execute(tx);
  await sql`
    insert into neighbor (node, interface, mac, switches, ports, switch, port)
    select node, interface, mac, switches, ports, switch, port from json_to_recordset(${json}::json) as
      x(node uuid, interface text, mac text, switches text[], ports text[], switch text, port text)`.execute(tx);
}

/**
 * Whether a row `h` of neighbor is the port of a row `c` with a switch and a port, which is in a site: a device of that site
 * with a chassis id is known by that alone.
 */
export const hears = (site: ReturnType<typeof sql>) => sql`
  h.switches @> array[coalesce((select d.chassis_id from device d where d.site = ${site} and d.name = c.switch), c.switch)]
  and lower(c.port) = any (h.ports)`;

/** What hears() cannot do without, in the words of an index on the switch. */
export const mayHear = sql`c.switch = any (h.switches || array(select d.name from device d where d.chassis_id = any (h.switches)))`;
