import { afterAll, expect, test } from 'vitest';
import { checkCabling } from '../cabling/check.ts';
import { takePlace } from '../cabling/take-place.ts';
import { openDb, transaction } from '../db.ts';
import { judgeDue } from '../drift/judge.ts';
import { followTraits } from '../drift/siblings.ts';
import { enrol } from '../enrol/enrol.ts';
import { judgeSome } from '../groups/judge.ts';
import { Problem } from '../http/problem.ts';
import { withIntents } from '../testing/intents.ts';
import { deadlocks } from '../testing/statistics.ts';
import { makeNonce } from '../trust/nonce.ts';
import { claimOf, machine, unique } from '../trust/testing/machine.ts';
import { createMetrics } from '../watch/metrics.ts';
import { createReports } from './reports.ts';

const { db, url, keys, context, ask, node } = await withIntents();
// The second daemon's connections.
const other = openDb({ url, max: 10, statementTimeoutMs: 30_000, onError: () => {} });
const daemons = [db, other].map((on) => createReports(on, keys, createMetrics()));
afterAll(async () => {
  for (const reports of daemons) await reports.close();
  await other.destroy();
});

const FOR_MS = 3_000;
const NODES = 12;
/** Places are contended on purpose. */
const expected = ['conflict', 'not_found', 'stale', 'invalid', 'too_many'];

const pick = <T>(list: T[], n: number) => list[n % list.length]!;
const macOf = (i: number) => `52:54:00:00:01:${i.toString(16).padStart(2, '0')}`;
const portOf = (i: number) => ({ switch: `sw${i % 2}`, port: `Ethernet${Math.floor(i / 2)}` });

/** What machine `i` reports the n-th time: plugged into its own port, or its neighbour's. */
function sections(i: number, n: number): Record<string, unknown> {
  const { switch: system_name, port: port_id } = portOf((i + (n % 3)) % NODES);
  return {
    system: { manufacturer: 'Acme', product: `X${n % 2}` },
    nics: { [macOf(i)]: { name: 'eth0', mac: macOf(i) } },
    gpus: Object.fromEntries(Array.from({ length: n % 4 }, (_, g) => [`0000:0${g}:00.0`, { model: 'H100' }])),
    lldp: { eth0: { [port_id]: { chassis_id: system_name, system_name, port_id, port_id_subtype: 'interface_name' } } },
  };
}

test('reports, moves, cables, groups, profiles, enrolments and background work never wait for each other in a circle', async () => {
  const ids = await Promise.all(Array.from({ length: NODES }, () => node()));
  await ask('putRack', { params: { site: 'ber', rack: 'r2' }, body: { height: 10 } });
  await ask('putApprovalRule', {
    params: { rule: 'x9' },
    body: { product: 'X9', site: 'ber', role: 'gpu', take_place: 0.5 },
  });
  const seqs = new Map<string, number>();
  const report = async (i: number, n: number) => {
    const id = pick(ids, i);
    const seq = (seqs.get(id) ?? 0) + 1;
    seqs.set(id, seq);
    const body = { boot_id: 'b', seq, version: '1', sections: sections(i % NODES, n) };
    await pick(daemons, n).put(id, body as never, `${id} ${seq}`);
  };
  const both = (n: number) => [pick(ids, n), pick(ids, n + 1 + (n % 5))];
  const background =
    (work: (tx: Parameters<Parameters<typeof transaction>[1]>[0]) => Promise<unknown>) => (n: number) =>
      transaction(pick([db, other], n), work);
  const acts: ((n: number) => Promise<unknown>)[] = [
    (n) => Promise.all(Array.from({ length: 6 }, (_, i) => report(2 * i, n + i))),
    (n) => Promise.all(Array.from({ length: 6 }, (_, i) => report(2 * i + 1, n + i))),
    (n) =>
      ask('moveNodes', {
        body: {
          items: both(n).map((id, i) => ({
            node: id,
            site: 'ber',
            rack: pick(['r1', 'r2'], n),
            unit: 1 + ((n + i) % 10),
          })),
          reason: 'x',
        },
      }),
    (n) =>
      ask('assignNode', {
        params: { node: pick(ids, n * 5) },
        body: { role: pick(['gpu', 'web'], n), tags: [`t${n % 3}`], reason: 'x' },
      }),
    (n) =>
      ask('putCables', {
        body: { items: both(n).map((id, i) => ({ node: id, nic: 'eth0', ...portOf((n + i) % NODES) })) },
      }),
    (n) =>
      ask('putGroup', {
        params: { group: pick(['a', 'b'], n) },
        body: {
          pattern: {
            all: [
              { count: 'gpus', is: n % 4 },
              { value: 'node.role', is: 'gpu' },
            ],
          },
        },
      }),
    (n) => ask('deleteGroup', { params: { group: pick(['a', 'b'], n) } }),
    (n) =>
      ask('putProfile', {
        params: { profile: pick(['p', 'q'], n) },
        body: { ...pick([{ role: 'gpu' }, { model: 'Acme X1' }], n), expect: { gpus: { count: n % 4 } } },
      }),
    (n) => ask('putFleetIntent', { params: { section: 'tags' }, body: { [`f${n % 7}`]: true } }, { 'if-match': '*' }),
    (n) =>
      ask(
        'putRoleIntent',
        { params: { role: pick(['gpu', 'web'], n), section: 'time' }, body: { timezone: 'UTC' } },
        {
          'if-match': '*',
        },
      ),
    (n) =>
      enrol(
        context,
        claimOf(machine({ ...unique(), product: pick(['X9', 'X1'], n) }), { nonce: makeNonce(keys, Date.now()) }),
        `192.0.2.${n % 200}`,
      ),
    background(judgeSome),
    background(checkCabling),
    background(judgeDue),
    background(followTraits),
    background((tx) => takePlace(tx, keys)),
  ];
  await ask('putFleetIntent', { params: { section: 'tags' }, body: { all: true } });
  for (const role of ['gpu', 'web'])
    await ask('putRoleIntent', { params: { role, section: 'time' }, body: { timezone: 'Europe/Berlin' } });
  const before = await deadlocks(db, other);
  const end = Date.now() + FOR_MS;
  const done = await Promise.all(
    acts.map(async (act, worker) => {
      let through = 0;
      for (let n = 0; Date.now() < end; n++) {
        await act(n * (worker + 1)).catch((error: unknown) => {
          if (!(error instanceof Problem && expected.includes(error.code))) throw error;
        });
        through++;
      }
      return through;
    }),
  );
  // Each got through, to some effect.
  expect(Math.min(...done)).toBeGreaterThan(0);
  expect((await deadlocks(db, other)) - before).toBe(0);
}, 60_000);
