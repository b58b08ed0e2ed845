import { expect, test } from 'vitest';
import type { Blamed } from '../../shared/api/history.ts';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { blame } from './blame.ts';

const { db, keys, ask, node } = await withIntents();
const reports = createReports(db, keys, createMetrics());
const at = expect.stringMatching(/^2\d{3}-/);
const cursor = expect.stringMatching(/^e\.\d+$/);
const of = (id: string, path: string, time?: string): Promise<Blamed[]> => blame(db, 'e', id, path, time);

test('a value is told with its layer, who said it, when and why, and what brought the node to that layer', async () => {
  const id = await node();
  const role = { role: 'gpu', section: 'hostname' };
  const fleet = { params: { section: 'hostname' }, query: { reason: 'our name' }, body: { domain: 'example.org' } };
  await ask('putFleetIntent', fleet);
  await ask('putRoleIntent', { params: role, query: { reason: 'GPUs move' }, body: { domain: 'gpu.example.org' } });
  await ask('assignNode', { params: { node: id }, body: { role: 'gpu', fqdn: 'g1', reason: 'new machine' } });
  // Another value of the section is no change of this one.
  const later = { domain: 'gpu.example.org', hostname: null };
  await ask('putRoleIntent', { params: role, query: { reason: 'other' }, body: later }, { 'if-match': '*' });
  const path = '/hostname/domain';
  const said = { side: 'intended', path, at, cursor, actor: 'ann' };
  expect(await of(id, path)).toEqual([
    {
      ...said,
      wins: true,
      layer: 'role/gpu',
      value: 'gpu.example.org',
      reason: 'GPUs move',
      inherited: { at, cursor, actor: 'ann', reason: 'new machine' },
    },
    { ...said, wins: false, layer: 'fleet', value: 'example.org', reason: 'our name' },
    { side: 'wanted', path, at, cursor, actor: 'ann', value: 'gpu.example.org' },
  ]);
  expect(await of(id, '/hostname')).toMatchObject([
    { path, wins: true },
    { path, wins: false },
    { path: '/hostname/hostname', layer: `node/${id}`, value: 'g1', wins: true },
    { path: '/hostname/hostname', layer: 'role/gpu', value: null, wins: false },
    {
      side: 'wanted',
      path: '/hostname',
      value: { hostname: 'g1', domain: 'gpu.example.org', fqdn: 'g1.gpu.example.org' },
    },
  ]);
});

test('a value that was taken away names who did it, also through layers', async () => {
  const id = await node();
  await ask('assignNode', { params: { node: id }, body: { role: 'web', reason: 'a web server' } });
  const params = { role: 'web', section: 'tags' };
  await ask('putRoleIntent', { params, query: { reason: 'try' }, body: { blue: true } });
  await ask('deleteRoleIntent', { params, query: { reason: 'enough' } }, { 'if-match': '*' });
  expect(await of(id, '/tags/blue')).toEqual([
    {
      ...{ side: 'intended', path: '/tags/blue', layer: 'role/web', before: true, at, cursor, actor: 'ann' },
      reason: 'enough',
      inherited: { at, cursor, actor: 'ann', reason: 'a web server' },
    },
    { side: 'wanted', path: '/tags/blue', before: true, at, cursor, actor: 'ann' },
  ]);
  await expect(of(id, '/tags/green')).rejects.toThrow('nothing was ever said of /tags/green of this node');
});

test('an observed value is told with its source and boot, and as of a time', async () => {
  const id = await node();
  const report = (boot_id: string, seq: number, os: object) =>
    reports.put(id, { boot_id, seq, version: '1', sections: { os } }, `${boot_id} ${seq}`);
  await report('boot-1', 1, { kernel: '6.1', name: 'Debian' });
  const time = new Date(Date.now() + 1).toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await report('boot-2', 1, { kernel: '6.12', name: 'Debian' });
  await report('boot-2', 2, { kernel: '6.12', name: 'Debian 13' });
  const observed = { side: 'observed', path: '/os/kernel', at, cursor, actor: `node/${id}`, source: 'agent' };
  expect(await of(id, '/os/kernel')).toEqual([{ ...observed, value: '6.12', before: '6.1', boot: 'boot-2' }]);
  expect(await of(id, '/os/kernel', time)).toEqual([{ ...observed, value: '6.1', boot: 'boot-1' }]);
});

test('what brought a node to a rack is the last that changed its site or its rack', async () => {
  const id = await node();
  await ask('putSite', { params: { site: 'ams' }, body: {} });
  await ask('putRack', { params: { site: 'ams', rack: 'r1' }, body: { height: 10 } });
  const params = { site: 'ams', rack: 'r1', section: 'tags' };
  await ask('putRackIntent', { params, query: { reason: 'cold' }, body: { cold: true } });
  const assign = (site: string, reason: string) =>
    ask('assignNode', { params: { node: id }, body: { site, rack: 'r1', reason } });
  await assign('ber', 'new');
  await assign('ams', 'sent there');
  expect((await of(id, '/tags/cold'))[0]).toMatchObject({
    ...{ layer: 'rack/ams:r1', reason: 'cold', inherited: { reason: 'sent there' } },
  });
});
