import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { floorClock } from '../agent/client/clock.ts';
import { runAgent } from '../agent/run.ts';
import { openSystem } from '../agent/system.ts';
import { releasedAt } from '../agent/version.ts';
import { startOwnPostgres } from '../machinedb/postgres/start.ts';
import { openState } from '../machinedb/state.ts';
import type { FeedItem } from '../shared/api/feed-item.ts';
import { hashOf } from '../shared/hash.ts';
import { type DaemonProcess, type Harness, startHarness } from './harness.ts';
import { type SimulatedNode, simulateNode } from './simulated-node.ts';

const ROUNDS = 10;
const REGISTRATIONS = 200;
const AT_ONCE = 16;

test('kill -9 of both daemons and PostgreSQL amid 200 registrations, 10 rounds: nothing acknowledged is lost', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-crash-'));
  const state = await openState(join(directory, 'state'));
  const silent = { info: () => {}, warn: () => {} };
  const shared = join(tmpdir(), `machinedb-crash-shared-${process.pid}`);
  const postgres = await startOwnPostgres({
    state: state.directory,
    log: silent,
    path: process.env.PATH ?? '',
    shared,
  });
  const harness = await startHarness({
    databaseUrl: postgres.url,
    environment: { MACHINEDB_PENDING_PER_SOURCE: '100000', MACHINEDB_HEARTBEAT_MS: '500' },
  });
  const reader = followByPages(harness);
  const ending = new AbortController();
  const agent = runAgent({
    system: openSystem(),
    url: new URL(harness.daemons[1].url),
    pins: harness.daemons[1].pins,
    directory: join(directory, 'agent'),
    // This machine's clock says 1970.
    clock: floorClock(() => performance.now(), releasedAt),
    random: Math.random,
    firstBeatMs: 0,
    observeMs: 60_000,
    bootId: 'crash-agent',
    firstSeq: 0,
    log: () => {},
    signal: ending.signal,
  });
  const acknowledged = { enrolled: [] as SimulatedNode[], reported: [] as SimulatedNode[], sites: [] as string[] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await registerUntilKilled(harness, directory, round, acknowledged, () => killPostgres(state.directory));
      await Promise.all([startAgain(harness, 0), startAgain(harness, 1)]);
      await checkAll(harness, acknowledged);
    }
    const seen = await reader.stop();
    const all = await readFeed(harness.daemons[0]);
    expect(seen.map(({ cursor }) => cursor)).toEqual(all.slice(0, seen.length).map(({ cursor }) => cursor));
    expect(all.length - seen.length).toBeLessThan(100);
    expect(acknowledged.enrolled.length).toBeGreaterThan(ROUNDS * 10);
    const own = await harness.call('listNodes', { query: { q: harnessHost() } });
    await expect
      .poll(
        async () =>
          Date.now() -
          Date.parse(
            (await harness.call('getNode', { params: { node: own.items[0]!.id }, query: {} })).seen_at ??
              '1970-01-01T00:00:00Z',
          ),
        { timeout: 20_000 },
      )
      .toBeLessThan(5_000);
  } finally {
    ending.abort();
    await agent;
    await reader.stop();
    await harness.close();
    await postgres.stop();
    state.close();
    rmSync(directory, { recursive: true, force: true });
    rmSync(shared, { recursive: true, force: true });
  }
}, 240_000);

const harnessHost = () => readFileSync('/proc/sys/kernel/hostname', 'utf8').trim();

type Acknowledged = { enrolled: SimulatedNode[]; reported: SimulatedNode[]; sites: string[] };

/** 200 machines enrol and report, 16 at once; when a part of them is through, all servers are killed. */
async function registerUntilKilled(
  harness: Harness,
  directory: string,
  round: number,
  acknowledged: Acknowledged,
  killDatabase: () => void,
): Promise<void> {
  let started = 0;
  let done = 0;
  let killed: Promise<unknown> | undefined;
  const limit = 20 + 12 * round;
  const one = async (i: number) => {
    const node = simulateNode(directory, round * REGISTRATIONS + i);
    const daemon = harness.daemons[i % 2]!;
    await node.enrol(daemon);
    acknowledged.enrolled.push(node);
    await node.report(daemon, { os: { kernel: `6.1.${i}` } });
    acknowledged.reported.push(node);
    const site = `r${round}-${i}`;
    if (i % 10 === 0) {
      await daemon.client.call('putSite', { params: { site }, body: {} });
      acknowledged.sites.push(site);
    }
    done += 1;
    if (done === limit) {
      killDatabase();
      killed = Promise.all([harness.kill(0), harness.kill(1)]);
    }
  };
  const worker = async () => {
    while (started < REGISTRATIONS) await one(started++).catch(() => undefined);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect(killed).toBeDefined();
  await killed;
}

function killPostgres(state: string): void {
  const [pid] = readFileSync(join(state, 'postgres/data/postmaster.pid'), 'utf8').split('\n');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  for (const victim of [pid!, ...children]) {
    try {
      process.kill(Number(victim), 'SIGKILL');
    } catch {
      // It has gone with its parent.
    }
  }
}

/** PostgreSQL comes back by its supervisor; until it does, a daemon refuses to start. */
async function startAgain(harness: Harness, index: 0 | 1): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await harness.start(index);
    } catch (error) {
      if (attempt === 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

/** Every acknowledged write is there: asked of the API, a page at a time. */
async function checkAll(harness: Harness, acknowledged: Acknowledged): Promise<void> {
  const nodes = new Set<string>();
  for (let cursor: string | undefined; ; ) {
    const page = await harness.call('listNodes', { query: { limit: 1000, cursor } });
    for (const { id } of page.items) nodes.add(id);
    if (page.next === undefined) break;
    cursor = page.next;
  }
  expect(acknowledged.enrolled.filter(({ node }) => !nodes.has(node!))).toEqual([]);
  const sites = (await harness.call('listSites', { query: { limit: 1000 } })).items.map(({ name }) => name);
  expect(acknowledged.sites.filter((site) => !sites.includes(site))).toEqual([]);
  const sample = acknowledged.reported.slice(-40);
  for (const { node, hardware } of sample) {
    const { observed } = await harness.call('getNode', { params: { node: node! }, query: {} });
    const index = Number(hardware.serial!.slice(4)) % REGISTRATIONS;
    expect(hashOf(observed.os)).toBe(hashOf({ kernel: `6.1.${index}` }));
  }
}

/** Reads the feed by its cursor all the time, through every crash. */
function followByPages(harness: Harness): { stop(): Promise<FeedItem[]> } {
  const items: FeedItem[] = [];
  let stopped = false;
  const work = (async () => {
    let cursor: string | undefined;
    for (let turn = 0; !stopped; turn++) {
      try {
        const page = await harness.daemons[turn % 2]!.client.call('events', { query: { cursor, limit: 200 } });
        items.push(...page.items);
        cursor = page.cursor;
        if (page.items.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  })();
  return {
    async stop() {
      stopped = true;
      await work;
      return items;
    },
  };
}

async function readFeed(daemon: DaemonProcess): Promise<FeedItem[]> {
  const items: FeedItem[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await daemon.client.call('events', { query: { cursor, limit: 1000 } });
    items.push(...page.items);
    if (page.next === undefined) return items;
    cursor = page.next;
  }
}
