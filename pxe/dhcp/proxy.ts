import type { RemoteInfo } from 'node:dgram';
import type { Log } from '../pxe.ts';
import type { Loader } from './boot-file.ts';
import { contains } from './ipv4.ts';
import type { Neighbours } from './neighbours.ts';
import { type DhcpPacket, encodePacket, parsePacket } from './packet.ts';
import { type Place, placeOf } from './place.ts';
import { proxyReply } from './proxy-reply.ts';
import { serverOf } from './reply.ts';
import { cidr, type DhcpServer, wayOf } from './server.ts';
import { type DhcpSockets, openSockets } from './sockets.ts';

export interface ProxyOptions {
  /** The interface's own network first; no addresses are given in any. */
  places: readonly [Place, ...Place[]];
  /** Our address. */
  server: string;
  mask: string;
  neighbours: Neighbours;
  /** MAC of the interface: what asks from there is our own question for other servers. */
  ownMac: string;
  bootUrl: string;
  loader: Loader;
  serverPort: number;
  clientPort: number;
  /** Where machines ask a boot server (PXE 2.1): 4011. */
  bootPort: number;
  log: Log;
}

/** ProxyDHCP: tells machines what to boot, beside a server that gives them their addresses. It gives none, and keeps nothing. */
export async function startProxyDhcp(options: ProxyOptions): Promise<DhcpServer> {
  const { places, server, mask, bootUrl, loader, neighbours, log } = options;
  const make = (packet: DhcpPacket, place: Place, port: 'dhcp' | 'boot') => {
    const subnet = { server, mask, dns: [], leaseSeconds: 0 };
    const made = proxyReply(packet, port, { subnet, address: undefined, bootUrl, loader, relays: place.relays });
    if (made !== undefined) log.info({ mac: packet.mac, file: made.packet.file, ...wayOf(packet) }, 'ProxyDHCP');
    return made;
  };
  const discovered = (sockets: DhcpSockets, data: Buffer, direct: boolean) => {
    const packet = parsePacket(data);
    if (packet === undefined || packet.mac === options.ownMac) return;
    const place = placeOf(packet, places, direct);
    if (place === undefined) return;
    const chosen = serverOf(packet);
    if (chosen !== undefined) neighbours.heard({ server: chosen, network: cidr(place), details: { mac: packet.mac } });
    const made = make(packet, place, 'dhcp');
    if (made === undefined) return;
    sockets.send(
      encodePacket(made.packet),
      made.to.port === 'server' ? options.serverPort : options.clientPort,
      made.to.address,
    );
  };
  /** The machine has its address by now, and is answered where it asks from, if that is in a network of ours. */
  const requested = (sockets: DhcpSockets, data: Buffer, from: RemoteInfo) => {
    const packet = parsePacket(data);
    const place = places.find((each) => contains(each, from.address));
    if (packet === undefined || place === undefined) return;
    const made = make(packet, place, 'boot');
    if (made !== undefined) sockets.send(encodePacket(made.packet), from.port, from.address);
  };
  const dhcp: DhcpSockets = await openSockets(server, options.serverPort, log, (data, _, direct) =>
    discovered(dhcp, data, direct),
  );
  const boot: DhcpSockets = await openSockets(server, options.bootPort, log, (data, from) =>
    requested(boot, data, from),
  ).catch(async (error: Error) => {
    await dhcp.close();
    throw error;
  });
  return {
    close: async () => {
      await dhcp.close();
      await boot.close();
    },
  };
}
