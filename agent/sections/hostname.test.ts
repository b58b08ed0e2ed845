import { expect, test } from 'vitest';
import { hostname } from '../../shared/sections/hostname.ts';
import { openSystem } from '../system.ts';
import { makeTree } from '../testing/tree.ts';
import { fqdnIn, observe } from './hostname.ts';

test("the kernel's name, the lasting one, and what /etc/hosts completes it to", () => {
  const root = makeTree({
    '/proc/sys/kernel/hostname': 'db1\n',
    '/etc/hostname': '# ours\n\ndb2\n',
    '/etc/hosts': '127.0.0.1 localhost\n127.0.1.1\tdb1.example.org db1 # self\n',
  });
  expect(observe(openSystem(root))).toEqual({
    hostname: 'db1',
    static: 'db2',
    fqdn: 'db1.example.org',
    domain: 'example.org',
  });
});

test.each([
  ['a name that is whole', { '/proc/sys/kernel/hostname': 'db1.example.org\n' }, 'db1.example.org'],
  ['not yet named', { '/proc/sys/kernel/hostname': '(none)\n' }, undefined],
  ['only the file, as in an image', { '/etc/hostname': 'web\n' }, undefined],
])('%s', (_, tree, fqdn) => {
  expect(observe(openSystem(makeTree(tree)))?.fqdn).toBe(fqdn);
});

test.each([
  ['10.0.0.1 db1 DB1.Example.org.', 'DB1.Example.org'],
  ['10.0.0.1 other.example.org db1', undefined],
  ['#10.0.0.1 db1.example.org', undefined],
  ['10.0.0.1 db1.', undefined],
  ['10.0.0.1 db10.example.org', undefined],
  ['', undefined],
])('hosts: %j', (hosts, fqdn) => {
  expect(fqdnIn(hosts, 'db1')).toBe(fqdn);
});

const problem = (value: unknown) => hostname.intended.safeParse(value).error?.issues[0]?.message;

test('an intended name is labels of RFC 1123', () => {
  for (const good of [
    { hostname: 'db1', domain: 'example.org' },
    { hostname: '1' },
    { domain: 'xn--bcher-kva.example' },
    {},
  ]) {
    expect(hostname.intended.parse(good)).toEqual(good);
  }
  const label =
    'a hostname is one label: lower-case letters, digits and "-", at most 63, a letter or digit at both ends';
  for (const bad of ['', 'DB1', 'db_1', '-db', 'db-', 'db1.example.org', 'a'.repeat(64), 'db1\n', '$(reboot)']) {
    expect(problem({ hostname: bad }), bad).toBe(label);
  }
  for (const bad of ['.org', 'example.', 'a..b', 'EXAMPLE.org', 'a b']) {
    expect(problem({ domain: bad }), bad).toBe(
      'a domain is labels joined by ".": each lower-case letters, digits and "-", at most 63, a letter or digit at both ends',
    );
  }
  expect(problem({ domain: 'a.'.repeat(100) + 'a' })).toBe(
    'a domain has at most 189 characters, so that hostname and domain fit in 253',
  );
  expect(problem({ name: 'db1' })).toBe('Unrecognized key: "name"');
});
