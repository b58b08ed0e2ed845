import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../pxe.ts';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { serverOf, typeOf, types } from './reply.ts';
import { openSockets } from './sockets.ts';

/** What a DHCP server offered to a question of ours. */
export interface Offer {
  /** As it names itself. */
  server: string;
  /** The address it offers; undefined: it only tells what to boot (ProxyDHCP). */
  address?: string;
  nextServer?: string;
  bootFile?: string;
}

export interface ProbeOptions {
  /** Our address on the interface that is asked on. */
  address: string;
  /** MAC of the interface. */
  mac: string;
  waitMs: number;
  serverPort?: number;
  clientPort?: number;
  log: Pick<Log, 'warn'>;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Ends it early. */
  signal?: AbortSignal;
}

/** Seconds that the client says it has waited: many a server lets the first question pass. */
const WAITED_S = [0, 10];
const MOST_OFFERS = 32;

/**
 * Asks as a machine does that boots, and answers who offered what within `waitMs`; our own server does not answer it. Nothing is
 * taken: offers end by themselves. Throws when the client's port cannot be had.
 */
export async function findServers(options: ProbeOptions): Promise<Offer[]> {
  const { address, mac, waitMs, serverPort = 67, clientPort = 68, signal } = options;
  const { random, log } = options;
  const xid = Math.floor(random() * 2 ** 32);
  const offers = new Map<string, Offer>();
  const sockets = await openSockets(address, clientPort, log, (data) => {
    const packet = parsePacket(data);
    if (packet?.op !== 2 || packet.xid !== xid || packet.mac !== mac || typeOf(packet) !== types.offer) return;
    const offer = offerOf(packet);
    if (offer !== undefined && offers.size < MOST_OFFERS) offers.set(`${offer.server} ${offer.address}`, offer);
  });
  try {
    for (const secs of WAITED_S) {
      if (signal?.aborted === true) break;
      sockets.send(encodePacket(discover(mac, xid, secs)), serverPort, '255.255.255.255');
      await sleep(waitMs / WAITED_S.length, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await sockets.close();
  }
  return [...offers.values()];
}

/** A BIOS that boots by PXE, and hears broadcasts only. */
function discover(mac: string, xid: number, secs: number): DhcpPacket {
  const zero = { ciaddr: none, yiaddr: none, siaddr: none, giaddr: none, sname: '', file: '' };
  const options = new Map([
    [53, Buffer.from([types.discover])],
    [55, Buffer.from([1, 3, 6, 43, 54, 60, 66, 67])],
    [60, Buffer.from('PXEClient:Arch:00000:UNDI:002001')],
    [93, Buffer.from([0, 0])],
    [94, Buffer.from([1, 2, 1])],
  ]);
  return { op: 1, hops: 0, xid, secs, broadcast: true, mac, options, ...zero };
}

function offerOf(packet: DhcpPacket): Offer | undefined {
  const server = serverOf(packet);
  if (server === undefined) return undefined;
  const { yiaddr, siaddr, file, options } = packet;
  const bootFile = file || text(options.get(67));
  const nextServer = siaddr !== none ? siaddr : text(options.get(66));
  return {
    server,
    ...(yiaddr === none ? {} : { address: yiaddr }),
    ...(nextServer === '' ? {} : { nextServer }),
    ...(bootFile === '' ? {} : { bootFile }),
  };
}

function text(option: Buffer | undefined): string {
  return option?.toString('latin1').replace(/\0.*$/s, '') ?? '';
}
