import { expect, test } from 'vitest';
import { saved } from '../../shared/sections/lldp.fixture.ts';
import { lldp } from '../../shared/sections/lldp.ts';
import { savedFile } from '../testing/lldp.ts';
import { parseLldpFrame, savedFrames } from './lldp.ts';

const header = '0180c200000e 001c73000101 88cc';
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const tlv = (type: number, value: Buffer | string) => {
  const content = typeof value === 'string' ? bytes(value) : value;
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | content.length);
  return Buffer.concat([head, content]);
};
const chassis = tlv(1, '04 001c73000100');
const port = tlv(2, '05 65746831');
const ttl = tlv(3, '0078');
const end = tlv(0, '');
const frame = (...tlvs: Buffer[]) => Buffer.concat([bytes(header), ...tlvs]);
const withMore = (...tlvs: Buffer[]) => parseLldpFrame(frame(chassis, port, ttl, ...tlvs, end));
const ids = {
  chassis_id: '00:1c:73:00:01:00',
  chassis_id_subtype: 'mac',
  port_id: 'eth1',
  port_id_subtype: 'interface_name',
};

/** A file as systemd-networkd writes it. */
const file = (...frames: Buffer[]) =>
  Buffer.concat(
    frames.flatMap((each) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(each.length));
      return [length, each];
    }),
  );

test('a file of systemd-networkd is its frames, and each is a neighbour', () => {
  const neighbors = savedFrames(savedFile).map(parseLldpFrame);
  expect(neighbors).toEqual(Object.values(saved).map((each) => expect.objectContaining(each)));
});

test('a file that is cut off, or whose length is past its end, has the frames before', () => {
  const one = frame(chassis, port, ttl, end);
  expect(savedFrames(Buffer.alloc(0))).toEqual([]);
  expect(savedFrames(file(one, one).subarray(0, -1))).toEqual([one]);
  expect(savedFrames(Buffer.concat([file(one), Buffer.alloc(8, 255), one]))).toEqual([one]);
  expect(savedFrames(Buffer.concat([file(one), bytes('010203')]))).toEqual([one]);
  expect(savedFrames(Buffer.alloc(1024 * 1024))).toHaveLength(1024);
});

test('a frame that a receiver discards is no neighbour', () => {
  const whole = frame(chassis, port, ttl, end);
  expect(parseLldpFrame(whole)).toMatchObject(ids);
  expect(parseLldpFrame(Buffer.concat([whole, Buffer.alloc(40)])), 'padded').toMatchObject(ids);
  expect(parseLldpFrame(frame(chassis, port, ttl)), 'without an end').toMatchObject(ids);
  const discarded = {
    empty: Buffer.alloc(0),
    'not LLDP': Buffer.concat([bytes('0180c200000e 001c73000101 0800'), chassis, port, ttl, end]),
    'cut in a value': frame(chassis, port, ttl, tlv(5, '7377')).subarray(0, -1),
    'cut in a head': frame(chassis, port, ttl, bytes('0a')),
    'without a chassis': frame(port, ttl, end),
    'without a port': frame(chassis, ttl, end),
    'without a time to live': frame(chassis, port, end),
    'two chassis': frame(chassis, chassis, port, ttl, end),
    'two ports': frame(chassis, port, port, ttl, end),
    'a chassis without an id': frame(tlv(1, '04'), port, ttl, end),
    'a port without an id': frame(chassis, tlv(2, '05'), ttl, end),
    'an end before its ids': frame(end, chassis, port, ttl),
    goodbye: frame(chassis, port, tlv(3, '0000'), end),
  };
  for (const [name, each] of Object.entries(discarded)) expect(parseLldpFrame(each), name).toBeUndefined();
});

test('ten thousand TLVs are refused, and the frame after them is read', () => {
  const many = frame(chassis, port, ttl, ...Array.from({ length: 10_000 }, () => tlv(127, '0080c201 0001')), end);
  const neighbors = savedFrames(file(many, frame(chassis, port, ttl, end))).map(parseLldpFrame);
  expect(neighbors).toEqual([undefined, expect.objectContaining(ids)]);
});

test('every prefix of a frame, and every byte of it turned, is a neighbour or none', () => {
  const [whole] = savedFrames(savedFile);
  for (let at = 0; at < whole!.length; at++) {
    parseLldpFrame(whole!.subarray(0, at));
    for (const bit of [1, 2, 128, 255]) {
      const turned = Buffer.from(whole!);
      turned[at]! ^= bit;
      const neighbor = parseLldpFrame(turned);
      if (neighbor === undefined) continue;
      const report = JSON.parse(JSON.stringify({ eth0: { key: neighbor } }));
      expect(lldp.observed.parse(report)).toEqual(report);
    }
  }
});

test('an id is what its subtype says; bytes that are no text are hexadecimal', () => {
  const chassisOf = (hex: string) => {
    const { chassis_id, chassis_id_subtype } = parseLldpFrame(frame(tlv(1, hex), port, ttl, end)) ?? {};
    return [chassis_id_subtype, chassis_id];
  };
  const hex = (text: string) => Buffer.from(text).toString('hex');
  expect(chassisOf(`01${hex('slot 1')}`)).toEqual(['chassis_component', 'slot 1']);
  expect(chassisOf('05 01 0a000001')).toEqual(['network_address', '10.0.0.1']);
  expect(chassisOf('05 02 20010db8000000000000000000000001')).toEqual(['network_address', '2001:db8::1']);
  expect(chassisOf('05 01 0a0000')).toEqual(['network_address', '0x010a0000']);
  expect(chassisOf(`06${hex('ge-0/0/1')}`)).toEqual(['interface_name', 'ge-0/0/1']);
  expect(chassisOf(`07${hex('a\nb')}`)).toEqual(['local', '0x610a62']);
  expect(chassisOf('07 ff00')).toEqual(['local', '0xff00']);
  expect(chassisOf('04 001c73')).toEqual(['mac', '0x001c73']);
  expect(chassisOf('09 0102')).toEqual([undefined, '0x0102']);
  const agent = parseLldpFrame(frame(chassis, tlv(2, '06 0102'), ttl, end));
  expect(agent).toMatchObject({ port_id: '0x0102', port_id_subtype: 'agent_circuit_id' });
});

test('names lose control characters and what is past 255 bytes', () => {
  const nameOf = (text: string) => withMore(tlv(5, Buffer.from(text)))?.system_name;
  expect(nameOf('sw1\0\0')).toBe('sw1');
  expect(nameOf('\x1b[31msw1\r\n')).toBe('[31msw1');
  expect(nameOf('\0')).toBeUndefined();
  expect(nameOf('x'.repeat(300))).toBe('x'.repeat(255));
  expect(nameOf(`${'x'.repeat(253)}😀`)).toBe(`${'x'.repeat(253)}�`);
});

test('VLANs and management addresses are capped, and those that are none left out', () => {
  const vlan = (id: number) => tlv(127, `0080c203 ${id.toString(16).padStart(4, '0')} 03 766c78`);
  const vlans = withMore(...Array.from({ length: 200 }, (_, index) => vlan(index + 1)))?.vlans;
  expect(Object.keys(vlans ?? {})).toHaveLength(129);
  expect(vlans?.truncated).toEqual({ dropped: 72 });
  expect(vlans?.['1']).toEqual({ name: 'vlx' });
  const broken = [
    vlan(0),
    vlan(4095),
    tlv(127, '0080c203'),
    tlv(127, '0080c203 0005 ff 61'),
    tlv(127, '00120f01 0001'),
  ];
  expect(withMore(...broken)?.vlans).toEqual({ '5': { name: 'a' } });
  const address = (index: number) => tlv(8, `05 01 0a0000${index.toString(16).padStart(2, '0')} 02 00000001 00`);
  const addresses = Array.from({ length: 20 }, (_, index) => address(index));
  expect(Object.keys(withMore(...addresses)?.management_addresses ?? {})).toHaveLength(8);
  expect(withMore(tlv(8, ''), tlv(8, '05 06 001c7300'), tlv(8, 'ff 01 0a'))?.management_addresses).toEqual({});
});
