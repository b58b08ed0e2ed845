import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type InventoryNode, toEntry } from './host.ts';

const text = fc.string({ unit: 'binary', maxLength: 8 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const unsafe = fc.constantFrom('{{ 7 * 7 }}', '{% x %}', '"');

const node = fc.record({
  id: fc.uuid(),
  name: text,
  fqdn: maybe(fc.constant('web1.example.net')),
  state: fc.constantFrom('active' as const, 'maintenance' as const),
  level: fc.constant('approved' as const),
  health: fc.constantFrom('ok' as const, 'unknown' as const),
  site: maybe(text),
  rack: maybe(text),
  unit: maybe(fc.integer({ min: 1, max: 99 })),
  role: maybe(text),
  tags: fc.array(text, { maxLength: 2 }),
  groups: fc.array(text, { maxLength: 2 }),
  addresses: fc.array(fc.constantFrom('10.0.0.5/24', 'fd00::5/64'), { maxLength: 2 }),
  model: maybe(fc.oneof(text, unsafe)),
  serial: maybe(fc.oneof(text, unsafe)),
  generation: fc.nat(),
  observed_at: maybe(fc.constant('2026-01-01T00:00:00.000Z')),
});

const mark = (value: string | undefined) =>
  value !== undefined && /\{[{%#]/.test(value) ? { __ansible_unsafe: value } : value;

test("a host's variables are the JSON text of one object, whatever is absent or odd", () => {
  fc.assert(
    fc.property(node, (node: InventoryNode['node']) => {
      const { host } = toEntry({ node, network: undefined }, false);
      const address = node.addresses[0]?.split('/')[0];
      expect(host!.vars).toBe(
        JSON.stringify({
          ...(address === undefined ? {} : { ansible_host: address }),
          machinedb_id: node.id,
          machinedb_serial: mark(node.serial),
          machinedb_model: mark(node.model),
          machinedb_site: node.site,
          machinedb_rack: node.rack,
          machinedb_unit: node.unit,
          machinedb_role: node.role,
          machinedb_tags: node.tags,
          machinedb_groups: node.groups,
          machinedb_state: node.state,
          machinedb_health: node.health,
          machinedb_addresses: node.addresses,
          machinedb_generation: node.generation,
          machinedb_observed_at: node.observed_at,
        }),
      );
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('without a wanted address it is reached at one that it has: IPv4 before IPv6, then the way out, then by name', () => {
  const own = { id: 'x', name: 'x', addresses: [], tags: [], groups: [], generation: 0 };
  const reached = (interfaces: unknown) => {
    const { host } = toEntry(
      { node: { ...own, state: 'active', level: 'approved', health: 'ok' }, network: { interfaces } },
      false,
    );
    return JSON.parse(host!.vars).ansible_host;
  };
  const at = (...addresses: string[]) => ({ addresses: Object.fromEntries(addresses.map((each) => [each, {}])) });
  expect(reached({})).toBeUndefined();
  expect(reached({ a: at(), b: {} })).toBeUndefined();
  expect(reached({ a: at('not an address', 'fd00::1/64') })).toBe('fd00::1');
  expect(reached({ b: at('10.0.0.2/8', '10.0.0.1/8'), c: at('10.0.0.0/8') })).toBe('10.0.0.1');
  expect(reached({ a: at('10.0.0.1/8'), b: { gateway: '10.0.0.254', ...at('fd00::1/64', '10.9.9.9/8') } })).toBe(
    '10.9.9.9',
  );
  expect(reached({ a: at('10.0.0.1/8'), b: { gateway: 'fd00::', ...at('fd00::1/64') } })).toBe('10.0.0.1');
});
