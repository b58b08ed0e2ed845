import type { Lldp } from './sections/lldp.ts';
import type { NetworkIntended } from './sections/network.ts';

type Match = NonNullable<NonNullable<NetworkIntended['interfaces']>[string]['match']>;
type Neighbor = Lldp[string][string];

interface Port {
  name?: string;
  mac?: string;
  pci?: string;
  driver?: string;
}

/** How many neighbours a finding names. */
const MOST_TOLD = 8;

/** The kernel's name of the port that an interface means; undefined when this machine has none such. */
export function interfaceName(
  logical: string,
  match: Match | undefined,
  observed: Record<string, unknown>,
): string | undefined {
  if (match === undefined) return logical;
  const { interfaces = {} } = (observed.network ?? {}) as { interfaces?: Record<string, Port> };
  const ports: Port[] = [
    ...Object.values((observed.nics ?? {}) as Record<string, Port>),
    ...Object.entries(interfaces).map(([name, port]) => ({ ...port, name })),
  ];
  const { lldp, ...plain } = match;
  const found = ports.find(
    (port) =>
      port.name !== undefined &&
      Object.entries(plain).every(([key, value]) => port[key as keyof Port] === value) &&
      (lldp === undefined || neighborsOf(observed, port.name).some((neighbor) => fits(neighbor, lldp))),
  );
  // A machine that has not reported its ports yet can still be told by name.
  return found?.name ?? (Object.keys(match).length === 1 ? match.name : undefined);
}

/** Why no port fits: what was asked for and, where that is a neighbour, which ones were seen. */
export function unmatched(match: Match | undefined, observed: Record<string, unknown>): string {
  const message = `no port of this machine matches ${JSON.stringify(match)}`;
  if (match?.lldp === undefined) return message;
  const seen = Object.keys((observed.lldp ?? {}) as Lldp)
    .sort()
    .flatMap((port) => neighborsOf(observed, port).map((neighbor) => `${told(neighbor)} on ${port}`));
  if (seen.length === 0)
    return `${message}: it has seen no LLDP neighbour; its switch must send LLDP, and systemd-networkd listen on the port`;
  const more = seen.length > MOST_TOLD ? ` and ${seen.length - MOST_TOLD} more` : '';
  return `${message}: its LLDP neighbours are ${seen.slice(0, MOST_TOLD).join(', ')}${more}`;
}

function neighborsOf(observed: Record<string, unknown>, port: string): Neighbor[] {
  const neighbors = Object.values(((observed.lldp ?? {}) as Lldp)[port] ?? {});
  // What is left out has no name.
  return neighbors.filter(({ port_id }) => port_id !== undefined);
}

// A switch names its port in either: "Ethernet7/1" is the id of one's and the description of another's, whose id is 516.
function fits(neighbor: Neighbor, { system, port }: NonNullable<Match['lldp']>): boolean {
  const { system_name, chassis_id, port_id, port_description } = neighbor;
  return [system_name, chassis_id].includes(system) && [port_id, port_description].includes(port);
}

function told({ system_name, chassis_id, port_id, port_description }: Neighbor): string {
  const description = port_description === undefined || port_description === port_id ? '' : ` ("${port_description}")`;
  return `"${system_name ?? chassis_id}" port "${port_id}"${description}`;
}
