import { keyed } from './keyed.ts';
import type { LldpNeighbor } from './lldp.ts';
import { lldpText } from './lldp.ts';
import { whole } from './numbers.ts';
import { childOf, childrenOf, type Element, parseXml } from './xml.ts';

// What lldpd calls the subtypes of ids (lib/atoms/chassis.c, port.c); the rest is 'unhandled' there.
const subtypes: Record<string, string> = {
  ifname: 'interface_name',
  ifalias: 'interface_alias',
  local: 'local',
  mac: 'mac',
  ip: 'network_address',
};

const MOST_NEIGHBORS = 4096;
const MOST_VLANS = 128;
const MOST_ADDRESSES = 8;

/**
 * Reads `lldpctl -f xml`: neighbours by interface, without those of other protocols (CDP, EDP...) and those without both ids. Age and
 * time to live change by themselves, and are not told.
 * @throws for what is no such document
 */
export function parseLldpctl(document: string): Map<string, LldpNeighbor[]> {
  const lldp = parseXml(document);
  if (lldp.name !== 'lldp') throw new Error(`lldpctl answered ${lldp.name}, not lldp`);
  const found = new Map<string, LldpNeighbor[]>();
  for (const element of childrenOf(lldp, 'interface').slice(0, MOST_NEIGHBORS)) {
    const { name, via = 'LLDP' } = element.attributes;
    const neighbor = via === 'LLDP' ? neighborOf(element) : undefined;
    if (name !== undefined && neighbor !== undefined) found.set(name, [...(found.get(name) ?? []), neighbor]);
  }
  return found;
}

function neighborOf(element: Element): LldpNeighbor | undefined {
  const [chassis, port] = [childOf(element, 'chassis'), childOf(element, 'port')];
  const [chassisId, portId] = [childOf(chassis, 'id'), childOf(port, 'id')];
  const [chassis_id, port_id] = [idOf(chassisId), idOf(portId)];
  if (chassis_id === undefined || port_id === undefined) return undefined;
  const addresses = childrenOf(chassis, 'mgmt-ip').flatMap((each) => textOf(each) ?? []);
  return {
    chassis_id,
    chassis_id_subtype: subtypes[chassisId?.attributes.type ?? ''],
    port_id,
    port_id_subtype: subtypes[portId?.attributes.type ?? ''],
    system_name: textOf(childOf(chassis, 'name')),
    port_description: textOf(childOf(port, 'descr')),
    management_addresses: Object.fromEntries(addresses.slice(0, MOST_ADDRESSES).map((address) => [address, true])),
    ...vlansOf(childrenOf(element, 'vlan')),
  };
}

function idOf(id: Element | undefined): string | undefined {
  const text = textOf(id);
  return id?.attributes.type === 'mac' ? text?.toLowerCase() : text;
}

// 'Unknown' is what lldpd writes for a neighbour that did not say.
function textOf(element: Element | undefined): string | undefined {
  const text = element === undefined ? undefined : lldpText(Buffer.from(element.text));
  return text === 'Unknown' ? undefined : text;
}

function vlansOf(elements: Element[]): Pick<LldpNeighbor, 'port_vlan' | 'vlans'> {
  const vlans = elements.flatMap((element) => {
    const id = whole(element.attributes['vlan-id']);
    // 0 is "none", and VLANs have 12 bits.
    return id === undefined || id === 0 || id > 4094
      ? []
      : [{ id, pvid: element.attributes.pvid, name: textOf(element) }];
  });
  const named = new Map(vlans.map(({ id, name }) => [id, name]));
  return {
    port_vlan: vlans.find(({ pvid }) => pvid === 'yes')?.id,
    vlans: keyed(
      [...named].map(([id, name]) => ({ keys: [String(id)], value: { name } })),
      MOST_VLANS,
    ),
  };
}
