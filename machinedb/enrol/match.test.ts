import { expect, test } from 'vitest';
import type { Hardware } from '../schema.ts';
import { machine, unique, withTrust } from '../trust/testing/machine.ts';
import { identifying } from './match.ts';
import { sourceOf } from './source.ts';

const trust = await withTrust();

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

test('75: one UUID on 100 boards: all are nodes of their own, none is merged, and it is said', async () => {
  const uuid = '03000200-0400-0500-0006-000700080009';
  const nodes = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const { node } = await trust.enrol(machine({ ...unique(), uuid }), {}, `203.0.113.${i}`);
    nodes.add(node);
  }
  expect(nodes.size).toBe(100);
  expect(await trust.events([...nodes][99]!)).toEqual(['node.enrolled', 'alarm.identity']);
});
