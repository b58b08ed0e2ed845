import { describe, expect, test } from 'vitest';
import { type DhcpPacket, none } from './packet.ts';
import { type ReplyContext, reply, types } from './reply.ts';

const context: ReplyContext = {
  subnet: { server: '10.77.0.1', mask: '255.255.255.0', router: '10.77.0.254', dns: ['10.77.0.2'], leaseSeconds: 3600 },
  address: '10.77.0.130',
  bootUrl: 'http://10.77.0.1:4281',
  relays: ['10.88.0.1'],
};

function ask(type: number, options: [number, number[] | string][] = [], more: Partial<DhcpPacket> = {}): DhcpPacket {
  return {
    op: 1,
    hops: 0,
    xid: 7,
    secs: 2,
    broadcast: false,
    ciaddr: none,
    yiaddr: none,
    siaddr: none,
    giaddr: none,
    mac: '52:54:00:12:34:56',
    sname: '',
    file: '',
    options: new Map([
      [53, Buffer.from([type])],
      ...options.map(([code, value]): [number, Buffer] => [code, Buffer.from(value as string)]),
    ]),
    ...more,
  };
}

const requested: [number, number[]] = [50, [10, 77, 0, 130]];
const ours: [number, number[]] = [54, [10, 77, 0, 1]];
const theirs: [number, number[]] = [54, [10, 77, 0, 9]];
const uuid: [number, number[]] = [97, [0, ...Array.from({ length: 16 }, (_, i) => i)]];

/** A firmware's DISCOVER. */
function pxeClient(arch: number): DhcpPacket {
  return ask(types.discover, [
    [60, `PXEClient:Arch:${String(arch).padStart(5, '0')}:UNDI:003016`],
    [93, [arch >> 8, arch & 255]],
    [94, [1, 3, 16]],
    uuid,
  ]);
}

/** Options as text of their bytes in hexadecimal. */
function options(packet: DhcpPacket | undefined): Record<number, string> | undefined {
  return packet && Object.fromEntries([...packet.options].map(([code, value]) => [code, value.toString('hex')]));
}

test('a client that discovers is offered its address with all that it needs to use it', () => {
  const { packet, to } = reply(ask(types.discover), context)!;
  expect(to).toEqual({ address: '255.255.255.255', port: 'client' });
  expect(packet).toMatchObject({ op: 2, xid: 7, yiaddr: '10.77.0.130', siaddr: none, file: '' });
  expect(options(packet)).toEqual({
    1: 'ffffff00',
    3: '0a4d00fe',
    6: '0a4d0002',
    51: '00000e10',
    53: '02',
    54: '0a4d0001',
    58: '00000708',
    59: '00000c4e',
  });
});

test('nothing is said when there is no address', () => {
  expect(reply(ask(types.discover), { ...context, address: undefined })).toBeUndefined();
});

test.each([
  ['chosen from our offer', [requested, ours], none, '255.255.255.255'],
  ['known from before', [requested], none, '255.255.255.255'],
  ['to be renewed', [], '10.77.0.130', '10.77.0.130'],
] as [string, [number, number[]][], string, string][])(
  'an address that is %s is acknowledged',
  (_, asked, ciaddr, to) => {
    const made = reply(ask(types.request, asked, { ciaddr }), context)!;
    expect(options(made.packet)![53]).toBe('05');
    expect([made.packet.yiaddr, made.to]).toEqual(['10.77.0.130', { address: to, port: 'client' }]);
  },
);

test('an address that is not the client’s is refused to everybody’s hearing', () => {
  const asked = ask(types.request, [[50, [10, 77, 0, 131]], ours, uuid], { ciaddr: '10.77.0.9', hops: 1, sname: 'x' });
  const made = reply(asked, context)!;
  expect(options(made.packet)).toEqual({ 53: '06', 54: '0a4d0001', 97: '00000102030405060708090a0b0c0d0e0f' });
  const empty = { hops: 0, secs: 0, ciaddr: none, yiaddr: none, siaddr: none, sname: '', file: '' };
  expect(made.packet).toMatchObject({ op: 2, xid: 7, ...empty });
  expect(made.to).toEqual({ address: '255.255.255.255', port: 'client' });
});

test('a client that only informs itself gets no lease', () => {
  const made = reply(ask(types.inform, [], { ciaddr: '10.77.0.50' }), context)!;
  expect(options(made.packet)).toEqual({ 1: 'ffffff00', 3: '0a4d00fe', 6: '0a4d0002', 53: '05', 54: '0a4d0001' });
  expect(made).toMatchObject({ packet: { yiaddr: none }, to: { address: '10.77.0.50', port: 'client' } });
});

test.each([types.release, types.decline, types.offer, 99])('message type %i is not answered', (type) => {
  expect(reply(ask(type), context)).toBeUndefined();
});

describe('network boot', () => {
  test.each([
    [0, 'undionly.kpxe'],
    [7, 'snponly.efi'],
    [9, 'snponly.efi'],
  ])('a firmware of architecture %i gets its loader by TFTP from us', (arch, file) => {
    const { packet } = reply(pxeClient(arch), context)!;
    expect(packet).toMatchObject({ file, siaddr: '10.77.0.1' });
    expect(options(packet)).toMatchObject({
      43: '060108ff',
      60: Buffer.from('PXEClient').toString('hex'),
      66: Buffer.from('10.77.0.1').toString('hex'),
      67: Buffer.from(file).toString('hex'),
      97: '00000102030405060708090a0b0c0d0e0f',
    });
  });

  test.each(['iPXE', '\u0004iPXE'])('iPXE gets the address of its script, not a loader again', (userClass) => {
    const asked = pxeClient(7);
    asked.options.set(77, Buffer.from(userClass));
    const { packet } = reply(asked, context)!;
    expect(packet).toMatchObject({ file: 'http://10.77.0.1:4281/boot/ipxe', siaddr: '10.77.0.1' });
    expect(options(packet)![175]).toBe('b00101');
  });

  test('a firmware that boots by HTTP gets an URL, in an answer that says HTTPClient', () => {
    const asked = pxeClient(0x10);
    asked.options.set(60, Buffer.from('HTTPClient:Arch:00016:UNDI:003000'));
    const { packet } = reply(asked, context)!;
    const file = 'http://10.77.0.1:4281/loaders/snponly.efi';
    expect(packet).toMatchObject({ file, siaddr: '10.77.0.1' });
    expect(options(packet)).toMatchObject({
      60: Buffer.from('HTTPClient').toString('hex'),
      67: Buffer.from(file).toString('hex'),
    });
    expect(Object.keys(options(packet)!)).not.toContain('43');
  });

  test('where the loader is shim, UEFI gets that, and BIOS what it always gets', () => {
    const files = [7, 9, 0].map((arch) => reply(pxeClient(arch), { ...context, loader: 'shim' })!.packet.file);
    expect(files).toEqual(['shimx64.efi', 'shimx64.efi', 'undionly.kpxe']);
  });

  test.each([6, 0x0b, 0x10, 0xffff])('13 unknown architecture %i gets an address and no boot file', (arch) => {
    const { packet } = reply(pxeClient(arch), context)!;
    expect(packet).toMatchObject({ yiaddr: '10.77.0.130', file: '', siaddr: none });
    expect(Object.keys(options(packet)!)).not.toContain('67');
  });

  test('13 an architecture of one byte is none', () => {
    const asked = pxeClient(0);
    asked.options.set(93, Buffer.from([0]));
    expect(reply(asked, context)!.packet.file).toBe('');
  });
});

describe('relays', () => {
  test('an answer for a relay goes to the relay, with its option 82', () => {
    const made = reply(ask(types.discover, [[82, 'rack 7']], { giaddr: '10.88.0.1', hops: 1 }), context)!;
    expect(made).toMatchObject({ packet: { giaddr: '10.88.0.1' }, to: { address: '10.88.0.1', port: 'server' } });
    expect(options(made.packet)![82]).toBe(Buffer.from('rack 7').toString('hex'));
  });

  test('a refusal through a relay is marked to be broadcast there', () => {
    const made = reply(ask(types.request, [[50, [10, 77, 0, 131]]], { giaddr: '10.88.0.1' }), context)!;
    expect(made).toMatchObject({ packet: { broadcast: true }, to: { address: '10.88.0.1', port: 'server' } });
  });

  test('9 a relay that nobody configured is not answered', () => {
    expect(reply(ask(types.discover, [], { giaddr: '10.99.0.1' }), context)).toBeUndefined();
  });

  test('10 an option 82 of more than 255 bytes is not sent back', () => {
    const asked = ask(types.discover, [[82, 'x'.repeat(256)]], { giaddr: '10.88.0.1' });
    expect(Object.keys(options(reply(asked, context)!.packet)!)).not.toContain('82');
  });
});

test('12 a client with the broadcast bit gets the same answer', () => {
  const [plain, loud] = [false, true].map((broadcast) => reply(ask(types.discover, [], { broadcast }), context)!);
  expect(loud).toEqual({ ...plain, packet: { ...plain!.packet, broadcast: true } });
});

test('14 a UUID of 17 bytes is sent back as it is, anything else not', () => {
  const asked = pxeClient(7);
  asked.options.set(97, Buffer.alloc(17, 0xff));
  expect(options(reply(asked, context)!.packet)![97]).toBe('ff'.repeat(17));
  asked.options.set(97, Buffer.alloc(600));
  expect(Object.keys(options(reply(asked, context)!.packet)!)).not.toContain('97');
});

test('15 a request that names another server is its business', () => {
  expect(reply(ask(types.request, [requested, theirs]), context)).toBeUndefined();
});

test('16 our own offer that comes back is not answered', () => {
  const offer = reply(ask(types.discover), context)!.packet;
  expect(reply(offer, context)).toBeUndefined();
});

test('an address outside of the network that a client claims is never sent to', () => {
  expect(reply(ask(types.inform, [], { ciaddr: '192.0.2.1' }), context)).toBeUndefined();
  expect(reply(ask(types.discover, [], { ciaddr: '192.0.2.1' }), context)!.to.address).toBe('255.255.255.255');
  const asked = ask(types.request, [requested, ours], { ciaddr: '192.0.2.1' });
  expect(reply(asked, context)!.to.address).toBe('255.255.255.255');
});
