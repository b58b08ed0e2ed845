import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openTrust } from './trust-store.ts';

const learned = { name: 'machinedb', pins: ['new', 'old'], wanted_keys: [{ id: 'k', public_key: 'AAEC' }] };

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'machinedb-trust-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test('what a trusted server told replaces the pins given at the start, and is kept', () => {
  const path = directory();
  const trust = openTrust(path, ['old']);
  expect(trust.pins()).toEqual(['old']);
  trust.learn(learned);
  const again = openTrust(path, ['old']);
  expect([again.pins(), again.wantedKey('k'), again.wantedKey('other')]).toEqual([
    ['new', 'old'],
    Buffer.from([0, 1, 2]),
    undefined,
  ]);
});

test('other pins point the agent at another server, and count', () => {
  const path = directory();
  openTrust(path, ['old']).learn(learned);
  expect(openTrust(path, ['another']).pins()).toEqual(['another']);
});

test('a damaged file is as good as none', () => {
  const path = directory();
  writeFileSync(join(path, 'trust.json'), '{"given":["old"],"tr');
  expect(openTrust(path, ['old']).pins()).toEqual(['old']);
});
