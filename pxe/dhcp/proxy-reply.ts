import { type DhcpPacket, ipBytes, none } from './packet.ts';
import { answerWith, bootOptions, code, type Reply, type ReplyContext, typeOf, types } from './reply.ts';

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
  return answerWith(packet, options, {
    ciaddr: port === 'dhcp' ? none : packet.ciaddr,
    siaddr: context.subnet.server,
    file,
  });
}
