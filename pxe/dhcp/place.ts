import { contains, type Network } from './ipv4.ts';
import { type DhcpPacket, none } from './packet.ts';
import { relayAgentOf } from './relay-agent.ts';

/** A network whose clients are served: that of the interface, or one behind relay agents. */
export interface Place extends Network {
  /** Addresses that its relay agents speak from (giaddr). */
  relays: readonly string[];
}

/**
 * The network that a client is in; undefined: it came by a relay agent that nobody configured.
 *
 * @param places the interface's own network first
 * @param direct whether the packet came to our own address: then a client that has an address renews it, and may be far away
 */
export function placeOf<P extends Place>(
  packet: DhcpPacket,
  places: readonly [P, ...P[]],
  direct: boolean,
): P | undefined {
  const { giaddr, ciaddr } = packet;
  if (giaddr === none) {
    const far = direct && ciaddr !== none ? places.find((place) => contains(place, ciaddr)) : undefined;
    return far ?? places[0];
  }
  const served = places.filter(({ relays }) => relays.includes(giaddr));
  const { link } = relayAgentOf(packet);
  if (link !== undefined) return served.find((place) => contains(place, link));
  return served.find((place) => contains(place, giaddr)) ?? served[0];
}
