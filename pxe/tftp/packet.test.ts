import { describe, expect, test } from 'vitest';
import { agree, errorPacket, optionsPacket, parseTftp, type ReadRequest, writeDataHeader } from './packet.ts';

/** A read request of these strings. */
function read(...strings: string[]): Buffer {
  return Buffer.from(`\0\u0001${strings.map((s) => `${s}\0`).join('')}`, 'latin1');
}

function terms(...options: string[]) {
  return agree(parseTftp(read('f', 'octet', ...options)) as ReadRequest, 100_000);
}

test('a read request has a file, a mode and options in lower case', () => {
  expect(parseTftp(read('a/b.efi', 'OCTET', 'BlkSize', '1456'))).toEqual({
    kind: 'read',
    file: 'a/b.efi',
    mode: 'octet',
    options: new Map([['blksize', '1456']]),
  });
});

test('acknowledgements, errors and write requests are told apart', () => {
  expect(
    [
      [0, 4, 1, 2],
      [0, 5, 0, 8, 0],
      [0, 2, 97, 0],
    ].map((bytes) => parseTftp(Buffer.from(bytes))),
  ).toEqual([{ kind: 'ack', block: 258 }, { kind: 'error', code: 8 }, { kind: 'write' }]);
});

test('packets are written as RFC 1350 and 2347 have them', () => {
  const data = Buffer.from('....ab');
  writeDataHeader(data, 0x51234);
  expect(data.toString('latin1')).toBe('\0\u0003\u00124ab');
  expect(errorPacket(1, 'no').toString('latin1')).toBe('\0\u0005\0\u0001no\0');
  expect(optionsPacket({ blksize: 8, tsize: 9 }).toString('latin1')).toBe('\0\u0006blksize\x008\0tsize\x009\0');
});

test('without options a transfer goes by RFC 1350', () => {
  expect(terms()).toEqual({ blockSize: 512, window: 1, timeoutMs: 1000, agreed: {} });
});

test('options that are in range are agreed on', () => {
  expect(terms('blksize', '1456', 'tsize', '0', 'timeout', '3', 'windowsize', '16')).toEqual({
    blockSize: 1456,
    window: 16,
    timeoutMs: 3000,
    agreed: { blksize: 1456, tsize: 100_000, timeout: 3, windowsize: 16 },
  });
});

describe('bad input', () => {
  test.each([
    ['nothing', []],
    ['three bytes', [0, 1, 97]],
    ['opcode 0', [0, 0, 0, 0]],
    ['opcode 9', [0, 9, 97, 0]],
    ['data', [0, 3, 0, 1]],
  ])('%s is no packet', (_, bytes) => {
    expect(parseTftp(Buffer.from(bytes))).toBeUndefined();
  });

  test.each([
    ['no terminator', Buffer.from('\0\u0001file\0octet')],
    ['no mode', read('file')],
    ['no file', read('', 'octet')],
    ['1,100 bytes', read('f'.repeat(1100), 'octet')],
  ])('19 a request with %s is dropped', (_, data) => {
    expect(parseTftp(data)).toBeUndefined();
  });

  test.each([
    ['0', undefined],
    ['7', undefined],
    ['8', 8],
    ['65465', 1468],
    ['-1', undefined],
    ['1e3', undefined],
    ['', undefined],
  ])('20 blksize %j becomes %j', (asked, agreed) => {
    expect(terms('blksize', asked)).toMatchObject({ blockSize: agreed ?? 512 });
    expect(terms('blksize', asked).agreed.blksize).toBe(agreed);
  });

  test.each([
    ['0', undefined],
    ['65535', 64],
    ['-1', undefined],
  ])('21 windowsize %j becomes %j', (asked, agreed) => {
    expect(terms('windowsize', asked).agreed.windowsize).toBe(agreed);
  });

  test('22 tsize=-1 is ignored', () => {
    expect(terms('tsize', '-1').agreed).toEqual({});
  });

  test('23 of 100 options 16 are read', () => {
    const options = Array.from({ length: 100 }, (_, i) => [`o${i}`, '1']).flat();
    expect((parseTftp(read('f', 'octet', ...options)) as ReadRequest).options.size).toBe(16);
  });

  test.each(['0', '11', '255', '256'])('a timeout of %s s is not agreed on', (asked) => {
    expect(terms('timeout', asked)).toMatchObject({ timeoutMs: 1000, agreed: {} });
  });
});
