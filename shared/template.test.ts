import { expect, test } from 'vitest';
import { fields, fill, templateProblem } from './template.ts';

test('fields are put in, and nothing else is done', () => {
  const text = 'name: {{fqdn}} # {{ site }}/{{  rack }} {"a": {"b": 1}} $HOME $(id) `id` <%= 1 %> $1 $&\n';
  expect(templateProblem(text)).toBeUndefined();
  expect(fill(text, { fqdn: 'web1.example.org', site: 'ber', rack: 'r1' })).toBe(
    'name: web1.example.org # ber/r1 {"a": {"b": 1}} $HOME $(id) `id` <%= 1 %> $1 $&\n',
  );
  expect(fill('{{ role }}', { role: '{{ fqdn }}$&' })).toBe('{{ fqdn }}$&');
});

test.each([
  ['{{ serial }}', `there is no field {{ serial }}: there are ${fields.join(', ')}`],
  ['{{ constructor }}', `there is no field {{ constructor }}: there are ${fields.join(', ')}`],
  ['{{ 7*7 }}', '"{{ 7*7 }}" is no field: write {{ fqdn }} and the like; nothing else is done in a text'],
  [
    '{{ fqdn | upper }}',
    '"{{ fqdn | upper }}" is no field: write {{ fqdn }} and the like; nothing else is done in a text',
  ],
  [
    '{{ self.__class__.__mro__ }}',
    '"{{ self.__class__.__mro__ }}" is no field: write {{ fqdn }} and the like; nothing else is done in a text',
  ],
  ['a {% if x %}', '"{% if x %}" is no field: write {{ fqdn }} and the like; nothing else is done in a text'],
  ['a {{ fqdn', '"{{ fqdn" is no field: write {{ fqdn }} and the like; nothing else is done in a text'],
])('113 %s is refused: a text with fields is no program', (text, message) => {
  expect(templateProblem(text)).toBe(message);
});

test('56 a field without a value fails by name, and no half of the text comes back', () => {
  expect(() => fill('{{ fqdn }} in {{ site }}, {{ rack }}, {{ site }}', { fqdn: 'web1.example.org' })).toThrow(
    'it needs {{ site }}, {{ rack }}, and the node has no such value: machinedb assign gives it one',
  );
});
