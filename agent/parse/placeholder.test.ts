import { expect, test } from 'vitest';
import { known, knownUuid } from './placeholder.ts';

test.each([
  '',
  ' ',
  '-',
  '--',
  '0',
  '00000000',
  '0000-0000',
  'FFFFFFFF',
  '0x0000',
  '..........',
  'To be filled by O.E.M.',
  'To Be Filled By O.E.M',
  '0123456789',
  'Default string',
  'Default string. ',
  'None',
  'Not Specified',
  'NOT AVAILABLE       ',
  'NO DIMM',
  'UNKNOWN',
  'N/A',
  'System Serial Number',
  'Chassis Asset Tag',
  'A1_SerNum0',
  'P1-DIMMA1_AssetTag (date:16/12)',
  'SKU=NotProvided;ModelName=PowerEdge R740',
  '\u0000\u001b',
  '\ufffd[\ufffd',
])('%j says nothing', (text) => {
  expect(known(text)).toBeUndefined();
});

test.each(['PowerEdge R740', 'CZ1234567', 'F', 'A02', '4242', 'x', 'Dell Inc.', '0R4CNN', 'S0', '1.0'])(
  '%j is a fact',
  (text) => {
    expect(known(text)).toBe(text);
  },
);

test('control characters, blanks and length are tamed', () => {
  expect(known(' HP \u0000\u001b[31m  x')).toBe('HP [31m x');
  expect(known('a'.repeat(5000))).toHaveLength(256);
  // The cut is no blank, nor does one before it count.
  expect(known(`  ${'a'.repeat(255)} b`)).toBe('a'.repeat(255));
});

test('a UUID that identifies nothing is absent', () => {
  expect(knownUuid('4C4C4544-0044-4A10-8052-B9C04F4C3432')).toBe('4c4c4544-0044-4a10-8052-b9c04f4c3432');
  for (const uuid of [
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    'Not Settable',
    undefined,
  ]) {
    expect(knownUuid(uuid)).toBeUndefined();
  }
});
