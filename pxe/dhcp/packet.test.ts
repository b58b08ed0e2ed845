import { describe, expect, test } from 'vitest';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';

const packet: DhcpPacket = {
  op: 1,
  hops: 0,
  xid: 0x3903f326,
  secs: 4,
  broadcast: true,
  ciaddr: none,
  yiaddr: '10.77.0.130',
  siaddr: '10.77.0.1',
  giaddr: none,
  mac: '52:54:00:12:34:56',
  sname: '',
  file: 'undionly.kpxe',
  options: new Map([
    [53, Buffer.from([1])],
    [93, Buffer.from([0, 7])],
  ]),
};

/** A packet whose options are these bytes. */
function withOptions(...bytes: number[]): Buffer {
  return Buffer.concat([encodePacket(packet).subarray(0, 240), Buffer.from(bytes)]);
}

function options(data: Buffer): Record<number, number[]> | undefined {
  const parsed = parsePacket(data);
  return parsed && Object.fromEntries([...parsed.options].map(([code, value]) => [code, [...value]]));
}

test('a packet that is written is read as it was, in at least 300 bytes', () => {
  const data = encodePacket(packet);
  expect(data.length).toBe(300);
  expect(parsePacket(data)).toEqual(packet);
});

test('an option longer than 255 bytes is written in parts and read as one', () => {
  const long = Buffer.from(Array.from({ length: 600 }, (_, i) => i % 256));
  const data = encodePacket({ ...packet, options: new Map([[43, long]]) });
  expect([data[241], data[241 + 257], data[241 + 514]]).toEqual([255, 255, 90]);
  expect(parsePacket(data)!.options.get(43)).toEqual(long);
});

test('names are written into their fields and no further, options without a value as they are', () => {
  const long = { ...packet, sname: 's'.repeat(200), file: 'f'.repeat(300), options: new Map([[80, Buffer.alloc(0)]]) };
  const data = encodePacket(long);
  expect(data.subarray(236, 244).toString('hex')).toBe('638253635000ff00');
  expect(parsePacket(data)).toEqual({ ...long, sname: 's'.repeat(63), file: 'f'.repeat(127) });
});

test('parts of an option that others lie between are joined', () => {
  expect(options(withOptions(43, 2, 1, 2, 53, 1, 3, 43, 1, 9, 255))).toEqual({ 43: [1, 2, 9], 53: [3] });
});

test('options go on in file and sname when option 52 says so', () => {
  const data = withOptions(52, 1, 3, 53, 1, 1, 255);
  data.fill(0, 44, 236);
  data.set([12, 2, 104, 105, 255], 108);
  data.set([60, 1, 80, 255], 44);
  expect(parsePacket(data)).toMatchObject({ file: '', sname: '' });
  expect(options(data)).toEqual({ 52: [3], 53: [1], 12: [104, 105], 60: [80] });
});

describe('bad input', () => {
  test('1 less than a header and the cookie is no packet', () => {
    const data = encodePacket(packet);
    for (let length = 0; length < 240; length++) expect(parsePacket(data.subarray(0, length))).toBeUndefined();
    expect(parsePacket(data.subarray(0, 240))).toMatchObject({ mac: '52:54:00:12:34:56', options: new Map() });
  });

  test.each([
    ['op 0', 0, 0],
    ['op 3', 0, 3],
    ['hardware that is not Ethernet', 1, 6],
    ['another cookie', 236, 0],
  ])('2 %s is no packet', (_, at, value) => {
    const data = encodePacket(packet);
    data[at] = value;
    expect(parsePacket(data)).toBeUndefined();
  });

  test.each([
    ['a length past the end', [53, 1, 1, 12, 200, 65]],
    ['a code without a length', [53, 1, 1, 12]],
  ])('3 %s drops the packet', (_, bytes) => {
    expect(parsePacket(withOptions(...bytes))).toBeUndefined();
  });

  test('4 options without END are read', () => {
    expect(options(withOptions(53, 1, 3, 12, 1, 65))).toEqual({ 53: [3], 12: [65] });
  });

  test.each([
    ['file', 1, 108],
    ['sname', 2, 44],
  ])('5 an overload that %s repeats drops the packet', (_, overload, at) => {
    const data = withOptions(52, 1, overload, 53, 1, 1, 255);
    data.fill(0, 44, 236);
    data.set([52, 1, 3, 255], at);
    expect(parsePacket(data)).toBeUndefined();
  });

  test('6 an option repeated 1,000 times is kept up to 1,024 bytes', () => {
    const parts = Array.from({ length: 1000 }, () => [12, 4, 65, 66, 67, 68]).flat();
    expect(parsePacket(withOptions(...parts, 53, 1, 1, 255))!.options).toEqual(
      new Map([
        [12, Buffer.from('ABCD'.repeat(256))],
        [53, Buffer.from([1])],
      ]),
    );
  });

  test('6 of 200 options 128 are kept', () => {
    const many = Array.from({ length: 200 }, (_, i) => [i + 1, 1, i]).flat();
    expect([...parsePacket(withOptions(...many, 255))!.options.keys()]).toEqual(
      Array.from({ length: 128 }, (_, i) => i + 1),
    );
  });

  test.each([0, 5, 7, 255])('7 a hardware address of %i bytes is no packet', (length) => {
    const data = encodePacket(packet);
    data[2] = length;
    expect(parsePacket(data)).toBeUndefined();
  });
});
