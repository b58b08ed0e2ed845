import { afterAll, expect, test } from 'vitest';
import { openDb } from '../machinedb/db.ts';
import { putNode } from '../machinedb/testing/nodes.ts';
import { startHarness } from './harness.ts';

const harness = await startHarness();
const { call, databaseUrl } = harness;
const db = openDb({ url: databaseUrl, max: 3, statementTimeoutMs: 30_000, onError: () => {} });
afterAll(async () => {
  await db.destroy();
  await harness.close();
});

const id = '00000000-0000-4000-8000-000000000001';
const params = { node: id };
const reason = 'test';
const observed = (product: string, hostname: string) => ({
  system: { vendor: 'Dell', product, serial: 'S1' },
  nics: { '0000:01:00.0': { mac: 'aa:bb:cc:00:00:01', names: { eno1: true } } },
  hostname: { hostname },
  network: { interfaces: { eno1: { kind: 'physical', mac: 'aa:bb:cc:00:00:01', addresses: { '10.0.0.77/24': {} } } } },
});

// Kept in no history: heartbeats, the time of a report that changed nothing, numbers of findings; state_at is the event's.
const forgotten = new Set([
  'seen_at',
  'agent_version',
  'observed_at',
  'state_at',
  'id',
  'first_seen',
  'alarmed',
  'machinedb_observed_at',
  'signature',
  'key',
]);
const lasting = (answer: unknown) =>
  JSON.parse(JSON.stringify(answer, (key, value) => (forgotten.has(key) ? undefined : value)));

async function answers(as_of?: string) {
  const query = { as_of };
  return lasting({
    list: await call('listNodes', { query }),
    drifted: await call('listNodes', { query: { ...query, site: 'ber', role: 'web', health: 'drifted', tag: 'blue' } }),
    node: await call('getNode', { params, query }),
    observed: await call('getObserved', { params, query }),
    wanted: await call('getWanted', { params, query }),
    findings: await call('getNodeFindings', { params, query }),
    inventory: await call('inventory', { query }),
  });
}

test('what is asked of a past time is what was answered then', async () => {
  await call('putSite', { params: { site: 'ber' }, body: {} });
  await call('putRack', { params: { site: 'ber', rack: 'r1' }, body: { height: 42 } });
  for (const role of ['web', 'db']) await call('putRole', { params: { role }, body: {} });
  await call('putNetwork', { params: { network: 'mgmt' }, body: { cidr: '10.0.0.0/24' } });
  await putNode(db, id, { observed: observed('R750', 'old'), state: 'active' });
  await putNode(db, '00000000-0000-4000-8000-000000000002', {
    observed: { system: { serial: 'S2' } },
    state: 'active',
  });
  const place = { site: 'ber', rack: 'r1', unit: 7, role: 'web', tags: ['blue'], fqdn: 'web1.example.com' };
  await call('assignNode', { params, body: { ...place, network: 'mgmt', interface: 'eno1', reason } });
  await call('holdNode', { params, body: { hold: true, reason } });

  const before = await answers();
  expect(before.node).toMatchObject({
    name: 'web1.example.com',
    health: 'drifted',
    hold: true,
    addresses: ['10.0.0.1/24'],
  });
  expect(before.findings.items.length).toBeGreaterThan(1);
  const then = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 10));

  await call('assignNode', { params, body: { unit: 9, role: 'db', tags: [], fqdn: 'db1.example.com', reason } });
  await call('holdNode', { params, body: { hold: false, reason } });
  await call('setNodeState', { params, body: { state: 'maintenance', reason } });
  expect(lasting(await call('listNodes', {}))).not.toEqual(before.list);
  expect(await answers(then)).toEqual(before);
});
