import { type DhcpPacket, ipBytes, none } from './packet.ts';
import {
  bootOptions,
  code,
  destination,
  echoRelay,
  type Reply,
  type ReplyContext,
  typeOf,
  types,
  UUID_BYTES,
} from './reply.ts';

/** Firmware and loaders ask for a boot file as one of these (PXE 2.1; UEFI 2.10, section 24.7). */
const CLASSES = ['PXEClient', 'HTTPClient'];

/**
 * What a machine is told to boot beside another server's address (PXE 2.1, section 2.2); undefined: nothing. On the DHCP port that is
 * an offer without an address, on the boot server's port (4011) the answer to a request. Pure.
 */
export function proxyReply(packet: DhcpPacket, port: 'dhcp' | 'boot', context: ReplyContext): Reply | undefined {
  if (packet.op !== 1) return undefined;
  if (packet.giaddr !== none && !context.relays.includes(packet.giaddr)) return undefined;
  const type = typeOf(packet);
  if (port === 'dhcp' ? type !== types.discover : type !== types.request && type !== types.inform) return undefined;
  const asked = packet.options.get(code.vendorClass)?.toString('latin1') ?? '';
  const vendorClass = CLASSES.find((name) => asked.startsWith(name));
  if (vendorClass === undefined) return undefined;
  const options = new Map<number, Buffer>([
    [code.type, Buffer.from([port === 'dhcp' ? types.offer : types.ack])],
    [code.serverId, ipBytes(context.subnet.server)],
    // iPXE knows a ProxyDHCP server by this, also where it is told a script.
    [code.vendorClass, Buffer.from(vendorClass)],
  ]);
  const file = bootOptions(packet, context, options);
  if (file === '') return undefined;
  const uuid = packet.options.get(code.uuid);
  if (uuid?.length === UUID_BYTES) options.set(code.uuid, uuid);
  echoRelay(packet, options);
  const sent: DhcpPacket = {
    ...packet,
    op: 2,
    hops: 0,
    secs: 0,
    ciaddr: port === 'dhcp' ? none : packet.ciaddr,
    yiaddr: none,
    siaddr: context.subnet.server,
    sname: '',
    file,
    options,
  };
  return { packet: sent, to: destination(sent) };
}
