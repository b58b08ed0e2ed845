import fc from 'fast-check';
import { expect, test } from 'vitest';
import { transaction } from '../db.ts';
import { createReports } from '../reports/reports.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';
import { oddOnes } from './odd.ts';
import { followTraits } from './siblings.ts';
import { traitsOf } from './traits.ts';

const { db, keys, node, ask } = await withIntents();
const reports = createReports(db, keys, createMetrics());
let seq = 0;
const report = (id: string, sections: Record<string, unknown>) =>
  reports.put(id, { boot_id: 'b', seq: ++seq, version: '1', sections }, `${seq}`);
const follow = () => transaction(db, followTraits);

const machine = (i: number, bios = '2.19.1', width = 16) => ({
  system: { manufacturer: 'Dell', product: 'R750', serial: `S${i}`, uuid: `u${i}`, asset_tag: `rack ${i}` },
  hostname: { hostname: `n${i}` },
  firmware: { version: bios, boot_order: [`000${i}`] },
  memory: { total_bytes: 1000 + i, dimms: { A1: { size_bytes: 32, serial: `D${i}` } } },
  gpus: {
    [`0000:1${i % 2}:00.0`]: { model: 'H100', link: { width: 16 } },
    '0000:65:00.0': { model: 'H100', link: { width } },
  },
  nics: { [`02:00:00:00:00:${i}`]: { mac: `02:00:00:00:00:${i}`, name: `eth${i}`, driver: 'mlx5_core' } },
});

test('31 of 32 have one BIOS: the odd one is named with its value, the majority and how many, and no identifier is', async () => {
  const ids = await Promise.all(Array.from({ length: 32 }, () => node()));
  await Promise.all(ids.map((id, i) => report(id, machine(i, i === 7 ? '2.18.0' : '2.19.1', i === 9 ? 8 : 16))));
  await follow();
  const bios = {
    by: 'model',
    name: 'Dell R750',
    path: 'firmware.version',
    majority: '2.19.1',
    majority_count: 31,
    of: 32,
    value: '2.18.0',
    count: 1,
    nodes: [ids[7]],
    names: ['n7'],
  };
  const link = {
    ...bios,
    path: 'gpus.link.width',
    majority: '2 x 16',
    value: '1 x 16, 1 x 8',
    nodes: [ids[9]],
    names: ['n9'],
  };
  expect(await ask('listSiblings', { query: {} })).toEqual({ items: [bios, link], more: false, cut: [] });
  expect((await ask('listSiblings', { query: { node: ids[9] } })).items).toEqual([link]);
  expect((await ask('listSiblings', { query: { node: ids[0] } })).items).toEqual([]);
  expect(await ask('listSiblings', { query: { limit: 1 } })).toEqual({ items: [bios], more: true, cut: [] });

  // Run twice, and by another daemon, it says the same; a node that was mended is odd no more.
  await follow();
  expect((await ask('listSiblings', { query: {} })).items).toEqual([bios, link]);
  await report(ids[7]!, { firmware: { version: '2.19.1' } });
  await follow();
  expect((await ask('listSiblings', { query: {} })).items).toEqual([link]);
  expect(await db.selectFrom('trait_set').selectAll().execute()).toHaveLength(2);

  // A fact that only one lacks, or only one has, is odd too.
  await report(ids[3]!, { firmware: null, tpm: { version: '2.0' } });
  await follow();
  expect((await ask('listSiblings', { query: { node: ids[3] } })).items).toMatchObject([
    { path: 'firmware.version', majority: '2.19.1', count: 1 },
    { path: 'tpm.version', majority_count: 31, value: '2.0', count: 1 },
  ]);

  // A least number of siblings, and a share.
  expect((await ask('listSiblings', { query: { least: 33 } })).items).toEqual([]);
  expect((await ask('listSiblings', { query: { share: 0.99 } })).items).toEqual([]);

  // Machines out of service are no siblings.
  await db.updateTable('node').set({ state: 'retired' }).where('id', '=', ids[9]!).execute();
  expect((await ask('listSiblings', { query: {} })).items.map(({ path }) => path)).not.toContain('gpus.link.width');
});

test('a missing part is told once, by its count, and not by each fact that it shares with the others', () => {
  const of = (dimms: number, speeds = `${dimms} x 4800`) => ({
    'memory.dimms.count': `${dimms}`,
    'memory.dimms.type': `${dimms} x DDR5`,
    'memory.dimms.speed': speeds,
  });
  const options = { least: 5, share: 0.8 };
  const most = { digest: 'a', count: 9, traits: of(24) };
  const paths = (traits: Record<string, string>) =>
    oddOnes([most, { digest: 'b', count: 1, traits }], options).map(({ path, value }) => [path, value]);
  expect(paths(of(23))).toEqual([['memory.dimms.count', '23']]);
  // One that is also slower is told of both.
  expect(paths(of(23, '22 x 4800, 1 x 4400'))).toEqual([
    ['memory.dimms.count', '23'],
    ['memory.dimms.speed', '22 x 4800, 1 x 4400'],
  ]);
  expect(paths(of(24, '24 x 4400'))).toEqual([['memory.dimms.speed', '24 x 4400']]);
});

test('by role, across models', async () => {
  const ids = await Promise.all(Array.from({ length: 6 }, () => node()));
  for (const [i, id] of ids.entries()) {
    await report(id, { system: { product: `P${i}` }, os: { kernel: i === 0 ? '6.1' : '6.12' } });
    await ask('putNodeIntent', { params: { node: id, section: 'role' }, query: {}, body: { name: 'web' } });
  }
  await follow();
  expect((await ask('listSiblings', { query: { by: 'role', name: 'web' } })).items).toMatchObject([
    { path: 'os.kernel', majority: '6.12', majority_count: 5, of: 6, value: '6.1', nodes: [ids[0]] },
  ]);
});

test('traits hold nothing that tells one machine from its like', () => {
  expect(traitsOf(machine(1))).toEqual(traitsOf(machine(2)));
  expect(traitsOf(machine(1))).toEqual({
    'firmware.version': '2.19.1',
    'gpus.count': '2',
    'gpus.link.width': '2 x 16',
    'gpus.model': '2 x H100',
    'memory.dimms.count': '1',
    'memory.dimms.size_bytes': '1 x 32',
    'nics.count': '1',
    'nics.driver': '1 x mlx5_core',
    'system.manufacturer': 'Dell',
    'system.product': 'R750',
  });
});

test('a stick that somebody plugged in makes no machine another one', () => {
  const disk = { model: 'PM9A3', transport: 'nvme', size_bytes: 1 };
  const stick = { model: 'stick', transport: 'usb', size_bytes: 2 };
  const traits = {
    'disks.count': '1',
    'disks.model': '1 x PM9A3',
    'disks.size_bytes': '1 x 1',
    'disks.transport': '1 x nvme',
  };
  expect(traitsOf({ disks: { D1: disk, U1: stick } })).toEqual(traits);
  expect(traitsOf({ disks: { D1: disk } })).toEqual(traits);
});

test('whatever the sets are: a majority is one, the odd are the rest, and a different value on each machine is never told', () => {
  const set = fc.record({ count: fc.integer({ min: 1, max: 9 }), a: fc.constantFrom('1', '2', undefined) });
  fc.assert(
    fc.property(fc.array(set, { minLength: 1, maxLength: 12 }), (list) => {
      const sets = list.map(({ count, a }, i) => ({
        digest: `${i}`,
        count,
        traits: { ...(a === undefined ? {} : { a }), unique: `${i}` } as Record<string, string>,
      }));
      const of = list.reduce((sum, { count }) => sum + count, 0);
      const odd = oddOnes(sets, { least: 2, share: 0.8 });
      for (const each of odd) {
        expect(each.of).toBe(of);
        expect(each.majority_count).toBeGreaterThanOrEqual(0.8 * of);
        expect(each.count + each.majority_count).toBeLessThanOrEqual(of);
        expect(each.value).not.toBe(each.majority);
        expect(
          sets.filter(({ digest }) => each.digests.includes(digest)).reduce((sum, { count }) => sum + count, 0),
        ).toBe(each.count);
      }
      if (sets.every(({ count }) => count < 0.8 * of)) expect(odd.filter(({ path }) => path === 'unique')).toEqual([]);
    }),
    { seed: 5, numRuns: 300 },
  );
});
