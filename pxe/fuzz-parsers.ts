import { type DhcpPacket, encodePacket, none, parsePacket } from './dhcp/packet.ts';
import { proxyReply } from './dhcp/proxy-reply.ts';
import { relayAgentOf } from './dhcp/relay-agent.ts';
import { type Reply, reply } from './dhcp/reply.ts';
import { questionOf } from './http/answer.ts';
import { rangeOf } from './http/files.ts';
import { agree, optionsPacket, parseTftp } from './tftp/packet.ts';

/** A parser, an input that it understands, and what must hold for whatever becomes of that. */
export interface Fuzzed {
  input: Buffer;
  /** Throws when something is wrong; answers whether the input was understood. */
  round: (mutated: Buffer) => boolean;
}

const dhcp = encodePacket({
  op: 1,
  hops: 0,
  xid: 1,
  secs: 0,
  broadcast: true,
  ciaddr: none,
  yiaddr: none,
  siaddr: none,
  giaddr: none,
  mac: '52:54:00:12:34:56',
  sname: '',
  file: '',
  options: new Map([
    [53, Buffer.from([1])],
    [50, Buffer.from([10, 77, 0, 130])],
    [52, Buffer.from([3])],
    [60, Buffer.from('PXEClient:Arch:00007:UNDI:003016')],
    [77, Buffer.from('iPXE')],
    [82, Buffer.from([1, 2, 65, 66, 2, 1, 67, 5, 4, 10, 88, 0, 0])],
    [93, Buffer.from([0, 7])],
    [97, Buffer.alloc(17, 1)],
  ]),
});
const context = {
  subnet: { server: '10.77.0.1', mask: '255.255.255.0', router: '10.77.0.254', dns: ['10.77.0.2'], leaseSeconds: 60 },
  address: '10.77.0.130',
  bootUrl: 'http://10.77.0.1:4281',
  relays: [none],
};
const tftp = Buffer.from('\0\u0001undionly.kpxe\0octet\0blksize\x001456\0tsize\x000\0windowsize\x0016\0', 'latin1');

const query = Buffer.from(
  'mac=52:54:00:12:34:56&buildarch=x86_64&platform=efi&uuid=11111111-2222-3333-4444-555555555555&serial=S%2F1',
);
const RANGED = 5000;

function isReadable(packet: DhcpPacket, made: Reply | undefined, data: Buffer): true {
  if (made !== undefined && parsePacket(encodePacket(made.packet))?.mac !== packet.mac)
    throw new Error(`cannot be read: ${data.toString('hex')}`);
  return true;
}

/** Every parser of what comes from the network of machines. */
export const fuzzed = {
  DHCP: {
    input: dhcp,
    round: (data) => {
      const packet = parsePacket(data);
      if (packet === undefined) return false;
      relayAgentOf(packet);
      return isReadable(packet, reply(packet, context), data);
    },
  },
  ProxyDHCP: {
    input: dhcp,
    round: (data) => {
      const packet = parsePacket(data);
      if (packet === undefined) return false;
      isReadable(packet, proxyReply(packet, 'boot', context), data);
      return isReadable(packet, proxyReply(packet, 'dhcp', context), data);
    },
  },
  TFTP: {
    input: tftp,
    round: (data) => {
      const packet = parseTftp(data);
      if (packet?.kind !== 'read') return false;
      const { blockSize, window, timeoutMs, agreed } = agree(packet, 1000);
      const fits = blockSize >= 8 && blockSize <= 1468 && window >= 1 && window <= 64 && timeoutMs <= 10_000;
      if (!fits || optionsPacket(agreed).length > 100) throw new Error(`out of range: ${data.toString('hex')}`);
      return true;
    },
  },
  'HTTP query': {
    input: query,
    round: (data) => {
      const asked = questionOf(new URLSearchParams(data.toString('latin1')), 'efi', '10.0.0.1');
      if (asked === undefined) return false;
      if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(asked.mac) || (asked.serial?.length ?? 0) > 200)
        throw new Error(`out of range: ${data.toString('hex')}`);
      return true;
    },
  },
  'HTTP range': {
    input: Buffer.from('bytes=100-4999'),
    round: (data) => {
      const range = rangeOf(data.toString('latin1'), RANGED);
      if (range === undefined || range === 'unsatisfiable') return false;
      if (!(range.start >= 0 && range.start <= range.end && range.end < RANGED))
        throw new Error(`out of range: ${data.toString('hex')}`);
      return true;
    },
  },
} satisfies Record<string, Fuzzed>;
