import { expect, test } from 'vitest';
import { judge } from './sections.ts';

test('72, 77: a section that is wrong, or not a machine’s to write, harms no other', () => {
  expect(
    judge({ os: { kernel: '6.1' }, cpu: 4, role: { name: 'db' }, 'x y': {}, later: { new: true }, gpus: null }),
  ).toEqual({
    accepted: { os: { kernel: '6.1' }, later: { new: true }, gpus: null },
    rejected: {
      cpu: 'a section is an object',
      role: 'only people write this section',
      'x y': 'this is not the name of a section',
    },
  });
});

test('80: 10,000 of a thing are kept as the first ones, and the number that was dropped', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, { name: `eth${i}` }]));
  const { accepted } = judge({ later: many });
  const kept = accepted.later as Record<string, unknown>;
  expect([Object.keys(kept).length, kept.truncated]).toEqual([4097, { dropped: 5904 }]);
});

test('80: a report has at most 50 sections', () => {
  const { accepted, rejected } = judge(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`s${i}`, { i }])));
  expect(Object.keys(accepted).length).toBe(50);
  expect(rejected.s59).toBe('a report has at most 50 sections');
});

test('72: what PostgreSQL cannot store is shown as the replacement character, and too long text is cut', () => {
  const { accepted } = judge({ system: { manufacturer: 'A\u0000B\ud800', 'k\u0000': 'x'.repeat(10_000) } });
  expect(accepted.system).toEqual({ manufacturer: 'A\ufffdB\ufffd', 'k\ufffd': `${'x'.repeat(4096)}...` });
});

test('hardware of an older agent, with its NUMA nodes in memory, and of this one, with fields of a newer, is kept whole', () => {
  const older = {
    memory: { total_bytes: 1024, nodes: { 0: { cpus: '0-3', memory_bytes: 1024, distances: { 0: 10 } } } },
  };
  expect(judge(older)).toEqual({ accepted: older, rejected: {} });
  const newer = {
    numa: { 0: { cpus: '0-3', memory_bytes: 1024, colour: 'red' }, truncated: { dropped: 3 } },
    bmc: { addresses: { '10.1.9.5/24': true }, channel: 1, colour: 'red' },
    tpm: { version: '2.0', endorsement: { 'rsa-2048': { key_sha256: 'ab'.repeat(32) } }, colour: 'red' },
  };
  expect(judge(newer)).toEqual({ accepted: newer, rejected: {} });
  const wrong = { numa: { 0: { memory_bytes: -1 } }, tpm: { endorsement: { x: { key_sha256: 'no' } } }, bmc: [] };
  expect(judge(wrong)).toEqual({
    accepted: {},
    rejected: {
      numa: '/0/memory_bytes: Too small: expected number to be >=0',
      tpm: expect.stringMatching(/^\/endorsement\/x\/key_sha256: Invalid string/),
      bmc: 'a section is an object',
    },
  });
});
