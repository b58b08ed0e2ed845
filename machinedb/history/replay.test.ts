import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { sql } from 'kysely';
import pino from 'pino';
import { expect, test } from 'vitest';
import type { FeedItem } from '../../shared/api/feed-item.ts';
import type { Finding, Node } from '../../shared/api/nodes.ts';
import type { Extra } from '../context.ts';
import { transaction } from '../db.ts';
import { openEpoch } from '../feed/epoch.ts';
import { append } from '../feed/feed.ts';
import { openFeedReader } from '../feed/feed-reader.ts';
import { Problem } from '../http/problem.ts';
import { findingsAt } from '../nodes/findings-at.ts';
import { selectFindings, toFinding } from '../nodes/node-findings.ts';
import { listNodes } from '../nodes/node-list.ts';
import { sectionsAt, wantedAt } from '../nodes/sections-at.ts';
import { viewRack } from '../places/rack-view.ts';
import { createReports } from '../reports/reports.ts';
import { inventoryRoutes } from '../routes/inventory.ts';
import { withIntents } from '../testing/intents.ts';
import { createMetrics } from '../watch/metrics.ts';

const { db, url, keys, ask, node } = await withIntents();
const reports = createReports(db, keys, createMetrics());
const NODES = 3;

const act = fc.oneof(
  fc.record({
    kind: fc.constant('assign'),
    node: fc.nat(NODES - 1),
    rack: fc.constantFrom('r1', 'r2'),
    unit: fc.integer({ min: 1, max: 4 }),
    fqdn: fc.option(fc.constantFrom('a.example.org', 'b.example.org'), { nil: undefined }),
    role: fc.option(fc.constantFrom('gpu', 'web'), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('report'),
    node: fc.nat(NODES - 1),
    hostname: fc.constantFrom('a', 'b', 'c'),
    serial: fc.constantFrom('S1', 'S2'),
  }),
  fc.record({
    kind: fc.constant('intent'),
    role: fc.constantFrom('gpu', 'web'),
    domain: fc.constantFrom('example.org', 'example.net', null),
  }),
  fc.record({ kind: fc.constant('acknowledge'), which: fc.nat(3) }),
  fc.record({
    kind: fc.constant('rack'),
    height: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined, freq: 2 }),
  }),
  fc.record({ kind: fc.constant('unplace'), node: fc.nat(NODES - 1) }),
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

let report = 0;

/** Does an act as people and machines do; answers whether it was accepted. */
async function perform(ids: string[], what: Act): Promise<boolean> {
  const any = { 'if-match': '*' };
  try {
    if ('fqdn' in what) {
      const { rack, unit, fqdn, role } = what;
      const body = { site: 'ber', rack, unit, fqdn, role, reason: 'test' };
      await ask('assignNode', { params: { node: ids[what.node] }, body });
    } else if ('hostname' in what) {
      const sections = { hostname: { hostname: what.hostname }, system: { serial: what.serial } };
      report++;
      await reports.put(ids[what.node]!, { boot_id: 'boot', seq: report, version: '1', sections }, String(report));
    } else if ('domain' in what) {
      const params = { role: what.role, section: 'hostname' };
      const there = (await ask('getRoleIntent', { params })).items.some(({ section }) => section === 'hostname');
      if (what.domain === null) await ask('deleteRoleIntent', { params }, any);
      else await ask('putRoleIntent', { params, body: { domain: what.domain } }, there ? any : {});
    } else if ('which' in what) {
      const open = (await ask('listFindings', {})).items;
      if (open.length === 0) return false;
      const { id } = open[what.which % open.length]!;
      await ask('acknowledgeFinding', { params: { id }, body: { reason: 'known' } });
    } else if ('height' in what) {
      const params = { site: 'ber', rack: 'r2' };
      if (what.height === undefined) await ask('deleteRack', { params });
      else await ask('putRack', { params, body: { height: what.height } });
    } else {
      await ask('deleteNodeIntent', { params: { node: ids[what.node], section: 'placement' } }, any);
    }
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

const timeNow = async () =>
  (
    await sql<{ at: string }>`
      select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`.execute(db)
  ).rows[0]!.at;

// The present says when the last report came, the past when the last one that changed something did.
const withoutReport = ({ observed_at, ...rest }: Node) => rest;
// What was in its grace is of now.
const withoutAlarm = ({ alarmed, ...rest }: Finding) => rest;

/** What the API answers of the fleet, now or at a time. */
async function seen(ids: string[], time?: string) {
  const { inventory } = inventoryRoutes;
  const extra: Extra = {};
  await inventory({ db } as never, { input: { query: { as_of: time } } } as never, extra);
  const hosts = await text(extra.file!.stream);
  const findings =
    time === undefined
      ? (await selectFindings(db).orderBy('f.id').execute()).map(toFinding).map(withoutAlarm)
      : await findingsAt(db, time);
  const racks = (await ask('listRacks', { query: { as_of: time } })).items;
  return {
    nodes: (await listNodes(db, { limit: 1000, as_of: time })).items.map(withoutReport),
    inventory: JSON.parse(hosts.replace(/"machinedb_observed_at":"[^"]*"/g, '"x":0')) as unknown,
    findings,
    racks,
    placed: await Promise.all(racks.map(({ site, name: rack }) => viewRack(db, { site, rack }, time))),
    wanted: await Promise.all(ids.map(async (id) => (await wantedAt(db, id, time)).wanted)),
  };
}

/** Section → data of each side of a subject, as a reader of the feed knows it. */
function replay(items: FeedItem[], subject: string) {
  const sides: Record<string, Record<string, unknown>> = { observed: {}, intended: {}, derived: {} };
  for (const item of items) {
    if (item.type !== 'revision' || item.subject !== subject) continue;
    if (item.data === null) delete sides[item.kind]![item.section!];
    else sides[item.kind]![item.section!] = item.data;
  }
  return sides;
}

test('as_of at any time is what was answered then, and what a replay of the feed makes', async () => {
  const feed = openFeedReader(db, await openEpoch(db), url, pino({ level: 'silent' }));
  const accepted = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 8, maxLength: 16 }), async (acts) => {
      const ids: string[] = [];
      for (let i = 0; i < NODES; i++) ids.push(await node());
      const born = { side: 'derived', source: 'server', section: 'state', actor: 'test' } as const;
      const data = { state: 'approved', level: 'approved' };
      await transaction(db, (tx) =>
        append(
          tx,
          ids.map((id) => ({ ...born, subject: `node/${id}`, data })),
        ),
      );
      await ask('putRack', { params: { site: 'ber', rack: 'r2' }, body: { height: 6 } });
      const steps: { time: string; cursor: string; answered: unknown }[] = [];
      for (const each of acts) {
        if (await perform(ids, each))
          accepted.add('height' in each && each.height === undefined ? 'deletion' : Object.keys(each).at(-1)!);
        steps.push({ time: await timeNow(), cursor: await feed.latest(), answered: await seen(ids) });
      }
      const { items } = await feed.read(undefined, 100_000);
      for (const { time, cursor, answered } of steps) {
        expect(await seen(ids, time)).toEqual(answered);
        const end = Number(cursor.split('.')[1]);
        const read = items.filter((item) => Number(item.cursor.split('.')[1]) <= end);
        for (const id of ids)
          for (const [side, sections] of Object.entries(replay(read, `node/${id}`)))
            expect(await sectionsAt(db, id, side as 'observed', time)).toEqual(sections);
      }
      // Names and places are given once in the fleet: the next run begins without.
      for (const id of ids)
        for (const section of ['placement', 'hostname', 'role'] as const)
          await ask('deleteNodeIntent', { params: { node: id, section } }, { 'if-match': '*' }).catch(() => undefined);
    }),
    { seed: 7, numRuns: 6 },
  );
  await feed.close();
  // Acts of all kinds were among them.
  expect([...accepted].sort()).toEqual(['deletion', 'domain', 'height', 'node', 'role', 'serial', 'which']);
}, 60_000);
