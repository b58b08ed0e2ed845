import { expect, test } from 'vitest';
import { ApiError } from '../../shared/client.ts';
import { describe, toText } from './run.ts';

const b = { detail: 'not in its network', pointer: '/interfaces/eth0/addresses/b' };

test.each([
  ['network/interfaces/eth0/addresses/b: not in its network', [b], ''],
  ['not in its network', [b], '\n  at /interfaces/eth0/addresses/b'],
  ['not in its network', [], ''],
  [
    'not in its network',
    [b, { detail: 'too long', pointer: '/dns' }],
    '\n  at /interfaces/eth0/addresses/b\n  /dns: too long',
  ],
])('an error %j with %j is told with every place', (message, errors, places) => {
  expect(describe(new ApiError(400, 'invalid', message, errors))).toBe(message + places);
});

test('nothing is told as nothing, and not by an empty line', () => {
  expect(toText({}, undefined)).toBe('(none)');
});

test('a list without columns tells all of each item, also what is nested in it', () => {
  const seen = [
    { name: 'n1', slot: 'A1', since: '2026-11-01T00:00:00Z', until: '2026-11-02T00:00:00Z' },
    { name: 'n2', slot: 'B2', since: '2026-11-02T00:00:00Z' },
  ];
  expect(toText({ items: [{ kind: 'dimm', serial: 'D1', seen }] }, undefined)).toBe(`kind: dimm
serial: D1
seen:
  - name: n1
    slot: A1
    since: 2026-11-01T00:00:00Z
    until: 2026-11-02T00:00:00Z
  - name: n2
    slot: B2
    since: 2026-11-02T00:00:00Z`);
});
