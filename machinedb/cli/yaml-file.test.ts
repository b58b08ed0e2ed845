import { expect, test } from 'vitest';
import { profileBody } from '../../shared/api/drift.ts';
import { parseYaml } from './yaml-file.ts';

const parse = (text: string) => () => parseYaml(text, 'p.yaml', profileBody);

test('YAML and JSON are read', () => {
  const value = { model: 'M', expect: { gpus: { parts: { all: { count: 8 } } } } };
  expect(parse('model: M\nexpect:\n  gpus: {parts: {all: {count: 8}}}\n')()).toEqual(value);
  expect(parse(JSON.stringify(value))()).toEqual(value);
});

test.each([
  [
    'model: M\nexpect:\n  gpus: {part: {}}\n',
    'p.yaml:3: expect.gpus.part: there is no such key here: take it away, or see --help',
  ],
  [
    'model: M\nexpect:\n  firmware:\n    facts:\n      version: 2.19\n',
    'p.yaml:5: expect.firmware.facts.version: version is a string, and 2.19 is expected: write "2.19", in quotes',
  ],
  ['model: M\nmodel: N\n', 'p.yaml:2: Map keys must be unique'],
  ['model: [\n', 'p.yaml:2: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  [
    'role: gpu\nmodel: 3\nexpect: {gpus: {parts: {A: {count: 1}}}}\n',
    'p.yaml:2: model: Invalid input: expected string, received number\n' +
      'p.yaml:3: expect.gpus.parts.A: use lower-case letters, digits, ".", "_" and "-", at most 63, a letter or digit at both ends',
  ],
  ['', 'p.yaml:1: the file: Invalid input: expected object, received null'],
  ['expect: {gpus: {}}\n', 'p.yaml:1: model: a profile is about a model, a role, or both: name one'],
])('%j', (text, message) => {
  expect(parse(text)).toThrow(expect.objectContaining({ message, exitCode: 2 }));
});

test('a file that unfolds to gigabytes is refused', () => {
  const text = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghij'.split('').map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(', ')}]`),
  ].join('\n');
  expect(parse(text)).toThrow('p.yaml: Excessive alias count indicates a resource exhaustion attack');
});
