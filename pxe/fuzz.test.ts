import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { encodePacket, none, parsePacket } from './dhcp/packet.ts';
import { proxyReply } from './dhcp/proxy-reply.ts';
import { relayAgentOf } from './dhcp/relay-agent.ts';
import { reply } from './dhcp/reply.ts';
import { mutate, seeded } from './testing.ts';
import { agree, optionsPacket, parseTftp } from './tftp/packet.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const ROUNDS = 200_000;
const MOST_GROWTH = 20e6;

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

/** Bytes by which the heap and its buffers grew over the last nine tenths of the rounds. */
function growth(seed: number, packet: Buffer, round: (mutated: Buffer) => void): number {
  const random = seeded(seed);
  let before = 0;
  for (let i = 0; i < ROUNDS; i++) {
    if (i === ROUNDS / 10) before = used();
    round(mutate(packet, random));
  }
  return used() - before;
}

function used(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe(`${ROUNDS} packets with faults`, () => {
  test('DHCP: none throws, and what is answered can be read again', () => {
    let read = 0;
    const grown = growth(1, dhcp, (data) => {
      const packet = parsePacket(data);
      if (packet === undefined) return;
      read += 1;
      relayAgentOf(packet);
      const port = read % 3 === 1 ? 'dhcp' : 'boot';
      const made = read % 3 === 0 ? reply(packet, context) : proxyReply(packet, port, context);
      if (made !== undefined && parsePacket(encodePacket(made.packet))?.mac !== packet.mac)
        throw new Error(`cannot be read: ${data.toString('hex')}`);
    });
    expect(read).toBeGreaterThan(ROUNDS / 10);
    expect(grown).toBeLessThan(MOST_GROWTH);
  }, 120_000);

  test('TFTP: none throws, and what is agreed on is in range', () => {
    let read = 0;
    const grown = growth(2, tftp, (data) => {
      const packet = parseTftp(data);
      if (packet?.kind !== 'read') return;
      read += 1;
      const { blockSize, window, timeoutMs, agreed } = agree(packet, 1000);
      const fits = blockSize >= 8 && blockSize <= 1468 && window >= 1 && window <= 64 && timeoutMs <= 10_000;
      if (!fits || optionsPacket(agreed).length > 100) throw new Error(`out of range: ${data.toString('hex')}`);
    });
    expect(read).toBeGreaterThan(ROUNDS / 10);
    expect(grown).toBeLessThan(MOST_GROWTH);
  }, 120_000);
});
