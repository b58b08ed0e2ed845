import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Node } from '../../shared/api/nodes.ts';
import type { Extra } from '../context.ts';
import { inventoryRoutes } from '../routes/inventory.ts';
import { withDatabase } from '../testing/database.ts';
import { putNode } from '../testing/nodes.ts';
import { Book, type Inventory } from './book.ts';
import { toEntry } from './host.ts';
import { createInventoryCache } from './inventory-cache.ts';

const { db } = await withDatabase();
const directory = mkdtempSync(join(tmpdir(), 'inventory-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const [web, plain, thief, twin, pending, retired] = Array.from({ length: 6 }, () => randomUUID());
const bare: Node = {
  id: '00000000-0000-4000-8000-000000000001',
  name: 'x',
  state: 'active',
  state_at: '2026-01-01T00:00:00Z',
  health: 'ok',
  level: 'approved',
  mode: 'observe',
  tags: [],
  groups: [],
  addresses: [],
  macs: [],
  findings: 0,
  hold: false,
  generation: 0,
  created_at: '2026-01-01T00:00:00Z',
};
// The present says when the last report came, the past when the last one that changed something did.
const withoutReports = (inventory: unknown) =>
  JSON.parse(JSON.stringify(inventory, (key, value) => (key === 'machinedb_observed_at' ? undefined : value)));
const textOf = ({ pieces }: Inventory) => Buffer.concat(pieces).toString();
const hostname = (name: string) => ({ hostname: { hostname: name } });

test('lists approved nodes by groups, on two daemons, and only changes with its content', async () => {
  await putNode(db, web!, {
    observed: { system: { product: 'PowerEdge R750 (x)', serial: '{{ lookup("pipe", "id") }}' } },
    wanted: {
      hostname: { hostname: 'web1', domain: 'example.com' },
      placement: { site: 'ber-1', rack: 'r1', unit: 7 },
      role: { name: 'gpu-node' },
      tags: { 'blue.green': true, blue_green: true },
      network: { interfaces: { eth0: { addresses: { '10.0.0.5/24': {} } } } },
    },
  });
  await putNode(db, plain!, {
    observed: {
      ...hostname('plain'),
      network: {
        interfaces: {
          a: { addresses: { 'fd00::9/64': {} } },
          b: { gateway: '192.0.2.1', addresses: { '192.0.2.9/24': {} } },
        },
      },
    },
  });
  await putNode(db, thief!, { observed: { hostname: { fqdn: 'web1.example.com' } } });
  await putNode(db, twin!, { observed: hostname('all') });
  await putNode(db, pending!, { observed: hostname('pending'), state: 'discovered' });
  await putNode(db, retired!, { observed: hostname('retired'), state: 'retired' });

  const [one, two] = [createInventoryCache(db), createInventoryCache(db)];
  const first = await one();
  const inventory = JSON.parse(textOf(first));
  expect(first.size).toBe(Buffer.byteLength(textOf(first)));
  const hosts = ['plain', 'web1.example.com', thief!, twin!].sort();
  expect(Object.keys(inventory._meta.hostvars).sort()).toEqual(hosts);
  expect(inventory.state_approved).toEqual({ hosts });
  const { _meta, state_approved, ...groups } = inventory;
  expect(groups).toEqual({
    // Nobody has reported its hostname yet, and one is wanted.
    health_drifted: { hosts: ['web1.example.com'] },
    health_ok: { hosts: hosts.filter((host) => host !== 'web1.example.com') },
    model_PowerEdge_R750__x_: { hosts: ['web1.example.com'] },
    rack_ber_1_r1: { hosts: ['web1.example.com'] },
    role_gpu_node: { hosts: ['web1.example.com'] },
    site_ber_1: { hosts: ['web1.example.com'] },
    tag_blue_green: { hosts: ['web1.example.com'] },
  });
  expect(_meta.hostvars['web1.example.com']).toMatchObject({
    ansible_host: '10.0.0.5',
    machinedb_id: web,
    machinedb_unit: 7,
    machinedb_tags: ['blue.green', 'blue_green'],
    machinedb_addresses: ['10.0.0.5/24'],
  });
  expect(_meta.hostvars.plain.ansible_host).toBe('192.0.2.9');
  expect((await two()).etag).toBe(first.etag);

  await putNode(db, plain!, { observed: hostname('renamed') });
  const [after, other] = await Promise.all([one(), two()]);
  expect(after.etag).not.toBe(first.etag);
  expect(textOf(other)).toBe(textOf(after));
  expect(JSON.parse(textOf(after))._meta.hostvars.renamed.machinedb_id).toBe(plain);
});

const hasAnsible = (() => {
  try {
    return execFileSync('ansible-inventory', ['--version']).length > 0;
  } catch {
    return false;
  }
})();

test.runIf(hasAnsible)('ansible-inventory accepts it, and evaluates nothing that a machine reports', async () => {
  writeFileSync(join(directory, 'body.json'), textOf(await createInventoryCache(db)()));
  const script = join(directory, 'inventory.sh');
  writeFileSync(script, `#!/bin/sh\ncat '${join(directory, 'body.json')}'\n`);
  chmodSync(script, 0o755);
  const env = { ...process.env, ANSIBLE_LOCALHOST_WARNING: 'false', HOME: directory };
  const listed = JSON.parse(execFileSync('ansible-inventory', ['-i', script, '--list'], { env }).toString());
  expect(listed.role_gpu_node).toEqual({ hosts: ['web1.example.com'] });
  expect(Object.keys(listed._meta.hostvars)).toHaveLength(4);
  const shown = execFileSync(
    'ansible',
    ['web1.example.com', '-i', script, '-c', 'local', '-m', 'debug', '-a', 'var=machinedb_serial'],
    { env },
  );
  expect(shown.toString()).toContain('{{ lookup(');
  expect(shown.toString()).not.toContain('uid=');
});

test('a machine gets no name that is another host, an address or the machine Ansible runs on', () => {
  const other = '11111111-1111-4111-8111-111111111111';
  const host = (name: string) =>
    textOf(new Book([toEntry({ node: { ...bare, name }, network: undefined }, false)]).inventory).includes(
      `"${name}":`,
    );
  for (const name of [
    'localhost',
    'localhost.localdomain',
    '127.0.0.1',
    '10.1',
    other,
    'all',
    'stale',
    'UP',
    'a b',
    '-x',
    'a..b',
  ])
    expect(host(name), name).toBe(false);
  for (const name of ['web1', 'web1.example.com', '7up', 'localhosts']) expect(host(name), name).toBe(true);
});

test('the inventory of the past is what was answered then', async () => {
  const before = await createInventoryCache(db)();
  const then = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await putNode(db, web!, { wanted: { hostname: { hostname: 'web1', domain: 'example.com' } }, state: 'retired' });
  const extra: Extra = {};
  await inventoryRoutes.inventory({ db } as never, { input: { query: { as_of: then } } } as never, extra);
  const answer = await extra.file!.stream.toArray();
  expect(withoutReports(JSON.parse(Buffer.concat(answer as Buffer[]).toString()))).toEqual(
    withoutReports(JSON.parse(textOf(before))),
  );
  // A machine that reports the name of the one that is gone does not become it.
  const after = JSON.parse(textOf(await createInventoryCache(db)()));
  expect(Object.keys(after._meta.hostvars).sort()).toEqual(['renamed', thief!, twin!].sort());
});
