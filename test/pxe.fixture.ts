// One part of a network that boots, as a process in a network namespace: node test/pxe.fixture.ts PART OPTIONS(JSON).
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { type DhcpPacket, encodePacket, none, parsePacket } from '../pxe/dhcp/packet.ts';
import { findServers } from '../pxe/dhcp/probe.ts';
import { interfaceOf, type PxeOptions, startPxe } from '../pxe/pxe.ts';

const [part, text = '{}'] = process.argv.slice(2);
const options = JSON.parse(text) as Record<string, string>;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The boot service; `wanted` has the addresses of machines that are known, by MAC. Its log is on standard output. */
async function serve(): Promise<void> {
  const wanted = options.wanted as unknown as Record<string, string[]> | undefined;
  const pxe = await startPxe({
    leaseSeconds: 600,
    httpPort: 4281,
    files: options.directory!,
    ...(options as unknown as Pick<PxeOptions, 'directory'>),
    interface: interfaceOf('br0'),
    decide: async ({ mac }) => ({ spec: { kind: 'local' }, reason: 'a test', addresses: wanted?.[mac] ?? [] }),
    arguments: () => [],
    log: { info: (data, message) => say({ ...data, message }), warn: (data, message) => say({ ...data, message }) },
    now: Date.now,
    isKnown: async () => true,
    random: Math.random,
  });
  process.on('SIGTERM', () => void pxe.close().then(() => process.exit()));
  say({ message: 'ready' });
}

/** A relay agent (RFC 1542, RFC 3046): what clients broadcast on its side goes to the server with their port, and back. */
function relay(): void {
  const { own, server, circuit } = options as { own: string; server: string; circuit: string };
  const here = createSocket({ type: 'udp4', reuseAddr: true }).bind(67, own, () => here.setBroadcast(true));
  const all = createSocket({ type: 'udp4', reuseAddr: true }).bind(67, '0.0.0.0', () => say({ message: 'ready' }));
  const handle = (data: Buffer) => {
    const packet = parsePacket(data);
    if (packet === undefined) return;
    const changed = (giaddr: string, options: DhcpPacket['options']) =>
      encodePacket({ ...packet, hops: packet.hops + 1, giaddr, options });
    const rest = new Map([...packet.options].filter(([code]) => code !== 82));
    if (packet.op === 2) return void here.send(changed(none, rest), 68, '255.255.255.255');
    const told = Buffer.from([1, circuit.length, ...Buffer.from(circuit)]);
    here.send(changed(own, new Map([...rest, [82, told]])), 67, server);
  };
  for (const socket of [here, all]) socket.on('message', handle);
}

/** Asks for DHCP servers as a machine does that boots. */
async function probe(): Promise<void> {
  const { address, mac } = interfaceOf('eth0');
  say(await findServers({ address, mac, waitMs: 6000, random: Math.random, log: { warn: (data) => say(data) } }));
}

/** A server whose clock says 2020. */
function past(): void {
  createServer((_, response) => response.setHeader('date', new Date('2020-01-01').toUTCString()).end()).listen(
    4290,
    '10.79.0.1',
    () => say({ message: 'ready' }),
  );
}

await { serve, relay, probe, past }[part as 'serve']();
