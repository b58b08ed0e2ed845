import type { Lldp } from '../../shared/sections/lldp.ts';
import { askedNeighbors } from '../neighbors.ts';
import { isPhysical, netdevs } from '../network/netdev.ts';
import { keyed, most } from '../parse/keyed.ts';
import { type LldpNeighbor, parseLldpFrame, savedFrames } from '../parse/lldp.ts';
import { parseLldpctl } from '../parse/lldpctl.ts';
import { whole } from '../parse/numbers.ts';
import { ANSWERS, type System } from '../system.ts';

const SAVED = '/run/systemd/netif/lldp';
/** One cable has one end; more come through something between that passes LLDP on. */
const MOST_NEIGHBORS = 16;

/**
 * LLDP neighbours of physical interfaces, as systemd-networkd has received them: the frames that it saves (252), or what
 * it answered when it was asked (257, which saves none). It listens on the interfaces that it configures, by
 * default to switches and routers. Where it knows none for an interface, what lldpd receives is told, as its lldpctl shows it. A frame that is broken is left out. Of at most 2,048 interfaces.
 */
export function observe(system: System): Lldp | undefined {
  const saved = new Set(system.list(SAVED));
  const asked = askedNeighbors(system);
  const shown = lldpctl(system);
  if (saved.size === 0 && asked.size === 0 && shown.size === 0) return undefined;
  const found = netdevs(system)
    .filter((netdev) => isPhysical(system, netdev))
    .slice(0, most)
    .flatMap(({ name, folder }) => {
      const index = String(whole(system.read(`${folder}/ifindex`)));
      const file = saved.has(index) ? system.readBytes(`${SAVED}/${index}`) : undefined;
      const networkd =
        file === undefined
          ? (asked.get(name) ?? [])
          : savedFrames(file)
              .map(parseLldpFrame)
              .filter((neighbor) => neighbor !== undefined);
      const neighbors = networkd.length === 0 ? (shown.get(name) ?? []) : networkd;
      return neighbors.length === 0 ? [] : [[name, byIdentity(neighbors)] as const];
    });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** File of what lldpctl answered. */
export const LLDPCTL = 'lldpctl.xml';

function lldpctl(system: System): Map<string, LldpNeighbor[]> {
  const text = system.read(`${ANSWERS}/${LLDPCTL}`);
  return text === undefined ? new Map() : parseLldpctl(text);
}

// Ids are unique with their subtypes only (IEEE 802.1AB, 9.2.7.7.2), which nearly never matters.
function byIdentity(neighbors: LldpNeighbor[]) {
  const things = neighbors.map((value) => {
    const { chassis_id, chassis_id_subtype, port_id, port_id_subtype } = value;
    const exact = `${chassis_id_subtype} ${chassis_id} ${port_id_subtype} ${port_id}`;
    return { keys: [`${chassis_id} ${port_id}`, exact], value };
  });
  return keyed(things, MOST_NEIGHBORS);
}
