import { expect, test } from 'vitest';
import { parseJson } from './json.ts';

test.each([
  ['{"a":{"a":1},"b":[{"a":2}]}', { a: { a: 1 }, b: [{ a: 2 }] }],
  ['"{\\"x\\":{[["', '{"x":{[['],
  ['["1e999",1e300,1e-999]', ['1e999', 1e300, 0]],
  ['{"a\\u0062":"{","ab ":1}', { ab: '{', 'ab ': 1 }],
])('parses %s', (text, value) => {
  expect(parseJson(text)).toEqual(value);
});

test.each([
  ['{"a":1,"a":2}', 'the body has the key "a" twice in one object'],
  ['{"a":1,"\\u0061":2}', 'the body has the key "a" twice in one object'],
  ['{"x":{"__proto__":{}}}', 'the body has the key "__proto__"'],
  ['[1e999]', 'a number is too large'],
  ['[-1E+309]', 'a number is too large'],
  ['[1e00309]', 'a number is too large'],
  [`[${'9'.repeat(211)}e98]`, 'a number is too large'],
  [`[${'9'.repeat(309)}]`, 'a number is too large'],
  ['['.repeat(10_000), 'the body is nested deeper than 64'],
  ['{"a":', 'the body is not JSON: Unexpected end of JSON input'],
])('72: refuses %.20s', (text, message) => {
  expect(() => parseJson(text)).toThrow(message);
});
