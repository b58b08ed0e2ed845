import { expect, test } from 'vitest';
import { Problem } from '../http/problem.ts';
import { withIntents } from '../testing/intents.ts';
import { deadlocks } from '../testing/statistics.ts';

const { ask, node, report, db } = await withIntents();
const FOR_MS = 3_000;

test('writers of intents, networks, acknowledgements and reports never wait for each other in a circle', async () => {
  const networks = ['a', 'b', 'c'];
  for (const [i, network] of networks.entries())
    await ask('putNetwork', { params: { network }, body: { cidr: `10.6${i}.0.0/20` } });
  const nics = { n: { name: 'eth0', mac: '52:54:00:00:00:01' } };
  const ids = await Promise.all(Array.from({ length: 12 }, () => node({ nics })));
  const pick = <T>(list: T[], n: number) => list[n % list.length]!;
  const addresses = (n: number) =>
    Object.fromEntries([1, 2].map((i) => [`l${i}`, { network: pick(networks, n * i + i) }]));
  const acts: ((n: number) => Promise<unknown>)[] = [
    (n) => ask('assignNode', { params: { node: pick(ids, n) }, body: { role: pick(['gpu', 'web'], n), reason: 'x' } }),
    (n) =>
      ask('assignNode', {
        params: { node: pick(ids, n * 5) },
        body: {
          site: 'ber',
          rack: 'r1',
          unit: 1 + (n % 10),
          network: pick(networks, n),
          interface: 'eth0',
          reason: 'x',
        },
      }),
    (n) =>
      ask(
        'putRoleIntent',
        {
          params: { role: pick(['gpu', 'web'], n), section: 'network' },
          body: { interfaces: { eth0: { addresses: addresses(n) } } },
        },
        { 'if-match': '*' },
      ),
    (n) => ask('putFleetIntent', { params: { section: 'tags' }, body: { [`t${n % 7}`]: true } }, { 'if-match': '*' }),
    (n) =>
      ask('putNetwork', {
        params: { network: pick(networks, n) },
        body: { cidr: `10.6${n % 3}.0.0/20`, dns: [`10.0.0.${n % 200}`] },
      }),
    (n) =>
      ask('putNetwork', {
        params: { network: pick(networks, n) },
        query: pick([{ site: 'ber' }, { site: 'ber', rack: 'r1' }], n),
        body: { cidr: `10.${70 + (n % 2)}.${16 * (n % 3)}.0/20`, dns: [`10.0.0.${n % 200}`] },
      }),
    (n) => report(pick(ids, n * 7), { nics, hostname: { hostname: `h${n}` } }),
    (n) => report(pick(ids, n * 11), { nics, hostname: { hostname: `g${n}` } }),
    async (n) => {
      const open = await db.selectFrom('finding').select('id').where('kind', '=', 'mismatch').execute();
      if (open.length > 0) await ask('acknowledgeFinding', { params: { id: pick(open, n).id }, body: { reason: 'x' } });
    },
    async (n) => {
      const held = await db
        .selectFrom('allocation')
        .select(['network', 'address'])
        .where('state', '<>', 'quarantined')
        .execute();
      if (held.length > 0) await ask('releaseAllocation', { params: pick(held, n), query: { force: true } });
    },
    (n) => ask('putRack', { params: { site: 'ber', rack: 'r1' }, body: { height: 10 + (n % 5) } }),
  ];
  await ask('putFleetIntent', { params: { section: 'hostname' }, body: { domain: 'example.org' } });
  for (const [i, id] of ids.entries())
    await ask('putNodeIntent', { params: { node: id, section: 'hostname' }, body: { hostname: `want${i}` } });
  for (const role of ['gpu', 'web'])
    await ask('putRoleIntent', { params: { role, section: 'network' }, body: { interfaces: { eth0: { mtu: 1500 } } } });
  await ask('putFleetIntent', { params: { section: 'tags' }, body: { all: true } });
  const before = await deadlocks(db);
  const end = Date.now() + FOR_MS;
  const done = await Promise.all(
    acts.map(async (act, worker) => {
      let n = 0;
      for (; Date.now() < end; n++) {
        await act(n * (worker + 1)).catch((error: unknown) => {
          // Places and addresses are contended on purpose.
          if (!(error instanceof Problem && ['conflict', 'not_found'].includes(error.code))) throw error;
        });
      }
      return n;
    }),
  );
  // Each got through, to some effect.
  expect(Math.min(...done)).toBeGreaterThan(0);
  expect((await deadlocks(db)) - before).toBe(0);
}, 30_000);
