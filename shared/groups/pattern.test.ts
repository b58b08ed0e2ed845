import { expect, test } from 'vitest';
import { pattern } from './pattern.ts';

function wrong(given: unknown): [string, string][] {
  const { error } = pattern.safeParse(given);
  return (error?.issues ?? []).map(({ path, message }) => [path.join('/'), message]);
}

test.each([
  { value: 'system.product', is: 'R750' },
  { value: 'cpu.caches.l3.total_bytes', is: { at_least: 1e8 } },
  { value: 'node.tags.blue', is: true },
  { count: 'memory.dimms', is: 16 },
  {
    all: [
      { count: 'gpus', where: { model: { contains: 'H100' } }, is: 8 },
      { not: { value: 'os.distribution', is: 'debian' } },
    ],
  },
  { any: [{ every: 'gpus', has: { 'link.width': 16, 'link.max_speed_gts': 32 } }] },
])('%j is a pattern', (given) => {
  expect(wrong(given)).toEqual([]);
});

const sections =
  'bgp, bmc, cpu, disks, firmware, gpus, hostname, lldp, memory, network, nics, node, numa, os, pci, repos, ssh, system, time, tpm';
const form = 'a pattern is one of all, any, not, value, count and every';

test.each<[unknown, string, string]>([
  [{}, '', form],
  [{ all: [{ value: 'gpu.model', is: 1 }] }, 'all/0/value', `there is no section "gpu": there are ${sections}`],
  [
    { not: { value: 'tpm.modle', is: '' } },
    'not/value',
    'tpm has no field "modle": it has endorsement, firmware, interface, manufacturer, revision, vendor, version',
  ],
  [
    { count: 'gpus', where: { 'nvlink.speed': 1 }, is: 1 },
    'where/nvlink.speed',
    'gpus.nvlink has no field "speed": it has gigabytes_per_s, links',
  ],
  [
    { every: 'memory.dimms', has: { size: 1 } },
    'has/size',
    'memory.dimms has no field "size": it has asset_tag, bank, buffering, configured_mts, ecc, form_factor, manufacturer, part, rank, serial, size_bytes, speed_mts, type',
  ],
  [{ value: 'tpm.version.major', is: 1 }, 'value', 'tpm.version is a value and has no field "major"'],
  [{ value: 'gpus', is: 1 }, 'value', 'gpus holds more than one value: name a field in it, or count its objects'],
  [
    { count: 'gpus', where: { link: 1 }, is: 1 },
    'where/link',
    'link holds more than one value: name a field in it, or count its objects',
  ],
  [{ count: 'system.product', is: 1 }, 'count', 'system.product is not a list of objects: say value'],
  [
    { value: 'node.constructor', is: 1 },
    'value',
    'node has no field "constructor": it has mode, model, rack, role, site, tags, unit',
  ],
  [{ all: [] }, 'all', 'give a list of patterns, one at least'],
  [{ all: [{ value: 'node.role', is: 'x' }], any: [] }, '', form],
  [
    { value: 'node.role', is: { at_least: 'x' } },
    'is',
    'give a value, or an object of not, at_least, at_most, above, below, one_of, contains, present, each with a value of its kind',
  ],
  [{ value: 'node.role', is: { like: 'x' } }, 'is', 'Unrecognized key: "like"'],
  [{ count: 'gpus', is: 1, extra: 1 }, '', 'Unrecognized key: "extra"'],
])('%j is refused at "%s"', (given, at, message) => {
  expect(wrong(given)).toEqual([[at, message]]);
});

test('a pattern has at most 100 terms, nested at most 8 deep', () => {
  const term = { value: 'node.role', is: 'x' };
  expect(wrong({ any: Array.from({ length: 99 }, () => term) })).toEqual([]);
  expect(wrong({ any: Array.from({ length: 500 }, () => term) })).toEqual([
    ['any/99', 'a pattern has at most 100 terms'],
  ]);
  let deep: object = term;
  for (let i = 0; i < 60; i++) deep = { not: deep };
  expect(wrong(deep).map(([, message]) => message)).toEqual(['a pattern is nested at most 8 deep']);
});
