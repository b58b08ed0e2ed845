import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { openDb } from '../machinedb/db.ts';
import { putNode } from '../machinedb/testing/nodes.ts';
import type { ApiError } from '../shared/client.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';

const harness = await startHarness();
const { call, databaseUrl, daemons, directory } = harness;
const db = openDb({ url: databaseUrl, max: 3, statementTimeoutMs: 30_000, onError: () => {} });
afterAll(async () => {
  await db.destroy();
  await harness.close();
});

const WRITERS = 32;
const reason = 'test';

async function newNode(model = 'plain'): Promise<string> {
  const id = randomUUID();
  const mac = `52:54:00:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}`;
  await putNode(db, id, { observed: { nics: { [mac]: { name: 'eth0', mac } }, system: { product: model } } });
  return id;
}

const host = (address: string) => Number(address.split('/')[0]!.split('.')[3]);

test('32 writers that ask for addresses of one network at once, through two daemons, never get one twice', async () => {
  let round = 0;
  const networks = fc.record({
    prefix: fc.integer({ min: 26, max: 28 }),
    reserved: fc.option(fc.tuple(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 0, max: 6 })), { nil: undefined }),
    // Some know which address they want, and some of them want the same.
    given: fc.array(fc.option(fc.integer({ min: 1, max: 14 }), { nil: undefined, freq: 2 }), {
      minLength: WRITERS,
      maxLength: WRITERS,
    }),
    bulk: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(networks, async ({ prefix, reserved, given, bulk }) => {
      round += 1;
      const network = `net${round}`;
      const base = `10.9.${round}.`;
      const last = reserved === undefined ? 0 : reserved[0] + reserved[1];
      const kept = reserved === undefined ? [] : [{ first: `${base}${reserved[0]}`, last: `${base}${last}` }];
      const body = { cidr: `${base}0/${prefix}`, gateway: `${base}1`, reserved: kept };
      await call('putNetwork', { params: { network }, body });
      const nodes = await Promise.all(given.map(() => newNode()));
      const asked = given.map((n) => ({ network, ...(n === undefined ? {} : { address: `${base}${n}` }) }));
      const done = await Promise.allSettled(
        nodes.map(async (node, i) => {
          if (!bulk) return await call('assignNode', { params: { node }, body: { ...asked[i]!, reason } });
          return await call('bulk', { body: { items: [{ node, ...asked[i]! }], reason } });
        }),
      );
      const rows = await db.selectFrom('node_now').select(['node', 'wanted']).where('node', 'in', nodes).execute();
      const held = rows.flatMap(({ wanted }) => {
        const network = wanted.network as { interfaces: Record<string, { addresses: object }> } | undefined;
        return Object.keys(network?.interfaces.eth0?.addresses ?? {}).map(host);
      });
      expect(new Set(held).size).toBe(held.length);
      const isFree = (n: number) => n > 1 && n < 2 ** (32 - prefix) - 1 && !(n >= (reserved?.[0] ?? 99) && n <= last);
      expect(held.filter((n) => !isFree(n))).toEqual([]);
      const allocated = await db.selectFrom('allocation').select('node').where('network', '=', network).execute();
      // Whoever was answered "done" has its address, and nobody else.
      expect(allocated.map(({ node }) => node).sort()).toEqual(
        nodes.filter((_, i) => done[i]!.status === 'fulfilled').sort(),
      );
      expect(held).toHaveLength(allocated.length);
      for (const result of done)
        if (result.status === 'rejected')
          expect((result.reason as ApiError).status).toSatisfy((code) => code === 400 || code === 409);
      const free = Array.from({ length: 256 }, (_, n) => n).filter(isFree).length;
      if (given.every((n) => n === undefined)) expect(held).toHaveLength(Math.min(WRITERS, free));
    }),
    {
      numRuns: 3,
      seed: 7,
      examples: [
        [{ prefix: 27, reserved: [3, 2], given: Array.from({ length: WRITERS }, () => undefined), bulk: false }],
      ],
    },
  );
}, 120_000);

test('a group and a bulk write from the command line', async () => {
  const [daemon] = daemons;
  const file = (name: string, content: unknown) => {
    const path = join(directory, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const ids = (await Promise.all([newNode('big'), newNode('big')])).sort();
  const wrong = file('wrong.json', { value: 'system.modle', is: 'big' });
  expect(await machinedb(daemon, ['group', 'put', 'big', '--file', wrong])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'machinedb: body /pattern/value: system has no field "modle": it has asset_tag, board, chassis, family, manufacturer, product, serial, sku, uuid, version, virtual\n',
  });
  const pattern = file('big.json', { value: 'system.product', is: 'big' });
  const put = await machinedb(daemon, ['group', 'put', 'big', '--file', pattern, '--comment', 'large', '--json']);
  expect(JSON.parse(put.stdout)).toMatchObject({ name: 'big', members: 2, current: true, comment: 'large' });
  const members = await machinedb(daemon, ['group', 'members', 'big', '--json']);
  expect(JSON.parse(members.stdout).items.map(({ id }: { id: string }) => id)).toEqual(ids);

  const items = file('bulk.json', [
    { group: 'big', tags: ['large'] },
    { node: 'nope', tags: ['x'] },
  ]);
  const each = await machinedb(daemon, ['bulk', items, '--reason', 'r', '--each', '--yes']);
  expect(each).toEqual({
    code: 1,
    stdout: [
      ...ids.flatMap((id) => [id, '  /tags: (none) -> {"large":true}']),
      '2 nodes changed',
      '2 done, 0 unchanged, 1 failed',
      '',
      'ITEM  NODE  PROBLEM',
      '1     nope  there is no node "nope" by id or intended FQDN: machinedb nodes lists them',
      '',
    ].join('\n'),
    stderr: 'machinedb: 1 of 3 nodes were not written\n',
  });
  expect((await machinedb(daemon, ['group', 'delete', 'big'])).code).toBe(0);
}, 120_000);
