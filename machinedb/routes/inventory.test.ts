import { expect, test } from 'vitest';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { inventoryRoutes } from './inventory.ts';

const { db } = await withDatabase();
const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const targets = async (port?: number) =>
  await inventoryRoutes.prometheusTargets({ db } as never, { input: { query: { port } } } as never);
const at = (address: string) => ({ network: { interfaces: { eth0: { addresses: { [address]: {} } } } } });

test('Prometheus gets every approved node that has an address or a name, whatever its vendor string', async () => {
  expect(await targets()).toEqual([]);
  const product = '\u001b[31m<b>"}\n';
  await putNode(db, id(1), { observed: { ...at('192.0.2.1/24'), system: { product } }, state: 'active' });
  await putNode(db, id(2), { observed: at('2001:db8::2/64') });
  await putNode(db, id(3), { wanted: { hostname: { hostname: 'web', domain: 'example.com' }, role: { name: 'web' } } });
  await putNode(db, id(4), { observed: { hostname: { hostname: 'no-address' } } });
  await putNode(db, id(5), { observed: at('192.0.2.5/24'), state: 'discovered' });
  await putNode(db, id(6), { observed: at('192.0.2.6/24'), state: 'retired' });
  const label = (n: number, more: Record<string, string>) => ({
    __meta_machinedb_id: id(n),
    __meta_machinedb_name: id(n),
    __meta_machinedb_state: 'approved',
    ...more,
  });
  expect(await targets()).toEqual([
    {
      targets: ['192.0.2.1:9100'],
      labels: label(1, { __meta_machinedb_state: 'active', __meta_machinedb_model: product }),
    },
    { targets: ['[2001:db8::2]:9100'], labels: label(2, {}) },
    {
      targets: ['web.example.com:9100'],
      labels: label(3, { __meta_machinedb_name: 'web.example.com', __meta_machinedb_role: 'web' }),
    },
  ]);
  expect((await targets(9400)).map((target) => target.targets[0])).toContain('192.0.2.1:9400');
});
