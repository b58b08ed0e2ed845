import { expect, test } from 'vitest';
import { hashOf } from '../../shared/hash.ts';
import { factsOf, hashesOf, makeReport } from './report.ts';

const facts = {
  sections: { os: { kernel: '6.1' }, cpu: { cores: 4 } },
  errors: { disks: 'a FIFO stands in its way' },
};

test('a report holds what changed, what is gone, and what failed', () => {
  const stored = {
    os: hashOf({ kernel: '6.1' }),
    cpu: hashOf({ cores: 2 }),
    gpus: hashOf({}),
    disks: hashOf({ sda: {} }),
  };
  expect(makeReport(facts, stored, 'boot', 7)).toEqual({
    boot_id: 'boot',
    seq: 7,
    version: '0.1.0',
    sections: { cpu: { cores: 4 }, gpus: null },
    errors: { disks: 'a FIFO stands in its way' },
  });
});

test('what the server refuses does not count in the hash that a heartbeat carries', () => {
  const hashes = hashesOf(facts);
  expect(factsOf(hashes, new Set(['cpu']))).toBe(factsOf({ os: hashes.os! }, new Set()));
});
