import { expect, test } from 'vitest';
import type { Hardware } from '../schema.ts';
import { identifying } from './match.ts';
import { sourceOf } from './source.ts';

test('74, 76: placeholders, UUIDs of zeros and Fs, and addresses of no card identify nothing', () => {
  const nothing: Hardware = {
    uuid: 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    serial: ' To Be Filled By O.E.M. ',
    board_serial: '0123456789',
    macs: ['00:00:00:00:00:00', '01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff', 'garbage'],
  };
  expect(identifying(nothing)).toEqual({ macs: [] });
  expect(identifying({ uuid: '00000000-0000-0000-0000-000000000000' })).toEqual({ macs: [] });
});

test('76: a made-up address counts only where there is no other', () => {
  expect(identifying({ macs: ['52:54:00:00:00:01', 'B0:7B:25:00:00:01'] }).macs).toEqual(['b0:7b:25:00:00:01']);
  expect(identifying({ macs: ['52:54:00:00:00:01'] }).macs).toEqual(['52:54:00:00:00:01']);
});

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:0db8:0:7:1:2:3:4', '2001:db8:0:7::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s is of source %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});
