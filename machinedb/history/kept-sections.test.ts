import { expect, test } from 'vitest';
import { checkKept } from './kept-sections.ts';

test.each([
  ['observed', 'lldp'],
  ['observed', 'default'],
  ['intended', 'placement'],
  ['derived', 'findings'],
] as const)('%s %s may be kept for a time only', (side, section) => {
  expect(() => checkKept(side, section)).not.toThrow();
});

test.each([
  ['observed', 'lldpp'],
  ['observed', 'placement'],
  ['intended', 'default'],
] as const)('%s %s is no section, and those there are are told', (side, section) => {
  expect(() => checkKept(side, section)).toThrow(
    new RegExp(`^there is no ${side} section "${section}": there are .*hostname, `),
  );
});
