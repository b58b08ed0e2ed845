import { describe, expect, test } from 'vitest';
import { type DhcpPacket, none } from './packet.ts';
import { proxyReply } from './proxy-reply.ts';
import { type ReplyContext, types } from './reply.ts';

const context: ReplyContext = {
  subnet: { server: '10.77.0.1', mask: '255.255.255.0', dns: [], leaseSeconds: 0 },
  address: undefined,
  bootUrl: 'http://10.77.0.1:4281',
  relays: ['10.88.0.1'],
};
const uuid = Buffer.from([0, ...Array.from({ length: 16 }, (_, i) => i)]);

/** A firmware's packet; `more` are options that it has besides, or instead. */
function firmware(
  type: number,
  arch: number,
  more: [number, Buffer][] = [],
  header: Partial<DhcpPacket> = {},
): DhcpPacket {
  const zero = { ciaddr: none, yiaddr: none, siaddr: none, giaddr: none, sname: '', file: '' };
  const options = new Map<number, Buffer>([
    [53, Buffer.from([type])],
    [60, Buffer.from(`PXEClient:Arch:${String(arch).padStart(5, '0')}:UNDI:003016`)],
    [93, Buffer.from([arch >> 8, arch & 255])],
    [97, uuid],
    ...more,
  ]);
  return { op: 1, hops: 0, xid: 7, secs: 2, broadcast: true, mac: '52:54:00:12:34:56', ...zero, ...header, options };
}

function options(packet: DhcpPacket | undefined): Record<number, string> | undefined {
  return packet && Object.fromEntries([...packet.options].map(([code, value]) => [code, value.toString('latin1')]));
}

const told = {
  43: '\u0006\u0001\u0008\u00ff',
  54: '\u000a\u004d\u0000\u0001',
  60: 'PXEClient',
  66: '10.77.0.1',
  97: uuid.toString('latin1'),
};

test.each([
  [0, 'undionly.kpxe'],
  [7, 'snponly.efi'],
])('a firmware of architecture %i is offered its loader and no address', (arch, file) => {
  const { packet, to } = proxyReply(firmware(types.discover, arch), 'dhcp', context)!;
  expect(to).toEqual({ address: '255.255.255.255', port: 'client' });
  expect(packet).toMatchObject({ op: 2, xid: 7, yiaddr: none, siaddr: '10.77.0.1', file });
  expect(options(packet)).toEqual({ 53: '\u0002', ...told, 67: file });
});

test.each([types.request, types.inform])('message type %i on the boot server’s port is acknowledged', (type) => {
  const { packet } = proxyReply(firmware(type, 7, [], { ciaddr: '10.77.0.50' }), 'boot', context)!;
  expect(packet).toMatchObject({ yiaddr: none, ciaddr: '10.77.0.50', siaddr: '10.77.0.1', file: 'snponly.efi' });
  expect(options(packet)).toEqual({ 53: '\u0005', ...told, 67: 'snponly.efi' });
});

test('iPXE gets the address of its script, not a loader again', () => {
  const { packet } = proxyReply(firmware(types.discover, 7, [[77, Buffer.from('iPXE')]]), 'dhcp', context)!;
  expect(packet).toMatchObject({ file: 'http://10.77.0.1:4281/boot/ipxe', siaddr: '10.77.0.1' });
  expect(options(packet)![60]).toBe('PXEClient');
});

test('a relay agent that is configured is answered with its option 82', () => {
  const asked = firmware(types.discover, 7, [[82, Buffer.from([1, 1, 65])]], { giaddr: '10.88.0.1', hops: 1 });
  const made = proxyReply(asked, 'dhcp', context)!;
  expect(made.to).toEqual({ address: '10.88.0.1', port: 'server' });
  expect(options(made.packet)![82]).toBe('\u0001\u0001A');
});

describe('silence', () => {
  test.each([
    ['a client that does not boot', firmware(types.discover, 7, [[60, Buffer.from('udhcp 1.35.0')]]), 'dhcp'],
    ['9 a relay agent that nobody configured', firmware(types.discover, 7, [], { giaddr: '10.99.0.1' }), 'dhcp'],
    ['13 an unknown architecture', firmware(types.discover, 0xffff), 'dhcp'],
    ['13 an architecture of one byte', firmware(types.discover, 7, [[93, Buffer.from([7])]]), 'dhcp'],
    ['a request for another server’s address', firmware(types.request, 7), 'dhcp'],
    ['a discover on the boot server’s port', firmware(types.discover, 7), 'boot'],
  ] as const)('is the answer to %s', (_, packet, port) => {
    expect(proxyReply(packet, port, context)).toBeUndefined();
  });

  test('16 is the answer to our own offer', () => {
    const offer = proxyReply(firmware(types.discover, 7), 'dhcp', context)!.packet;
    expect(proxyReply(offer, 'dhcp', context)).toBeUndefined();
    expect(proxyReply(offer, 'boot', context)).toBeUndefined();
    expect(proxyReply(firmware(types.discover, 7, [], { op: 2 }), 'dhcp', context)).toBeUndefined();
  });
});

test('10 an option 82 of more than 255 bytes is not sent back', () => {
  const asked = firmware(types.discover, 7, [[82, Buffer.alloc(256)]], { giaddr: '10.88.0.1' });
  expect(proxyReply(asked, 'dhcp', context)!.packet.options.has(82)).toBe(false);
});

test('12 a client without the broadcast bit gets the same answer', () => {
  const [loud, plain] = [true, false].map(
    (broadcast) => proxyReply(firmware(types.discover, 7, [], { broadcast }), 'dhcp', context)!,
  );
  expect(plain).toEqual({ ...loud, packet: { ...loud!.packet, broadcast: false } });
});

test('14 a UUID of 17 bytes is sent back as it is, anything else not', () => {
  const [ones, long] = [Buffer.alloc(17, 0xff), Buffer.alloc(600)].map((value) =>
    proxyReply(firmware(types.discover, 7, [[97, value]]), 'dhcp', context)!.packet.options.get(97),
  );
  expect(ones).toEqual(Buffer.alloc(17, 0xff));
  expect(long).toBeUndefined();
});
