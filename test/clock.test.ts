import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { runAgent } from '../agent/run.ts';
import { memorySystem } from '../agent/testing/memory-system.ts';
import { startTurnedPostgres } from '../machinedb/testing/turned-clock.ts';
import type { Reply } from '../shared/api.ts';
import { startHarness } from './harness.ts';
import { simulateNode } from './simulated-node.ts';

const DAY_S = 86_400;
const HOUR_S = 3600;
const AGENTS = 6;

const postgres = await startTurnedPostgres();
afterAll(() => postgres.close());
// A lease is 2.45 s.
const harness = await startHarness({ databaseUrl: postgres.url, environment: { MACHINEDB_HEARTBEAT_MS: '700' } });
const { call, daemons, directory } = harness;
const living = new AbortController();
const ended: Promise<unknown>[] = [];
afterAll(async () => {
  living.abort();
  await Promise.all(ended);
  await harness.close();
});

/** The agent itself, with its session, at one of the two daemons. */
function startAgent(index: number, joinToken: string, signal: AbortSignal): void {
  const daemon = daemons[index % 2]!;
  const home = join(directory, `agent${index}`);
  mkdirSync(home, { mode: 0o700 });
  const dmi = { product_serial: `CLOCK-${index}`, product_name: 'Clock', sys_vendor: 'Simulated' };
  const agent = runAgent({
    system: memorySystem(
      Object.fromEntries(Object.entries(dmi).map(([name, text]) => [`/sys/class/dmi/id/${name}`, `${text}\n`])),
    ),
    ...{
      url: new URL(daemon.url),
      pins: daemon.pins,
      directory: home,
      joinToken,
      clock: Date.now,
      random: Math.random,
    },
    ...{ firstBeatMs: 0, observeMs: 60_000, bootId: `boot-${index}`, firstSeq: 0, log: () => {}, signal },
  });
  ended.push(agent.catch(() => undefined));
}

async function feed(): Promise<Reply<'events'>['items']> {
  const items: Reply<'events'>['items'] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await call('events', { query: { ...(cursor === undefined ? {} : { cursor }), limit: 1000 } });
    if (page.items.length === 0) return items;
    items.push(...page.items);
    cursor = page.cursor;
  }
}

const alarms = async () =>
  (await feed()).flatMap(({ kind, subject }) => (/unreachable|silent/.test(kind) ? [`${kind} ${subject}`] : []));
const ahead = async () =>
  Number(/^machinedb_feed_ahead_seconds (\S+)$/m.exec((await call('metrics', {})) as unknown as string)?.[1]);
const jumps = () =>
  daemons.flatMap(({ log }) => log.flatMap((line) => /PostgreSQL's clock jumped by (-?\d+) s/.exec(line)?.[1] ?? []));

test("103: through two daemons, while PostgreSQL's clock is turned: nobody is falsely lost, nothing acknowledged is, one order", async () => {
  const { token } = await call('createJoinToken', { body: { uses: AGENTS + 1, expires_in: 600 } });
  const dying = new AbortController();
  for (let i = 1; i < AGENTS; i++) startAgent(i, token, living.signal);
  startAgent(0, token, dying.signal);
  const reporter = simulateNode(directory, 1);
  await reporter.enrol(daemons[0], token);
  const fleet = async () => (await call('listNodes', { query: {} })).items;
  await expect
    .poll(async () => (await fleet()).filter(({ health }) => health !== 'unknown').length, { timeout: 20_000 })
    .toBe(AGENTS);

  const acknowledged: number[] = [];
  let stopped = false;
  const writing = (async () => {
    for (let n = 1; !stopped; n++) {
      await reporter.report(daemons[n % 2]!, { system: { product: 'Clock', asset_tag: `n${n}` } });
      acknowledged.push(n);
      await sleep(50);
    }
  })();
  try {
    let offset = 0;
    const turn = (seconds: number) => {
      offset += seconds;
      postgres.turn(offset);
    };
    await sleep(500);
    for (const seconds of [DAY_S, 20]) {
      turn(seconds);
      await sleep(1500);
      expect(await alarms()).toEqual([]);
    }
    expect(await ahead()).toBe(0);
    dying.abort();
    turn(-HOUR_S);
    const [dead] = (await fleet()).filter(({ serial }) => serial === 'CLOCK-0');
    await expect.poll(alarms, { timeout: 30_000, interval: 250 }).not.toEqual([]);
    expect(await alarms()).toEqual([`node.unreachable node/${dead!.id}`]);
    expect(await ahead()).toBeGreaterThan(HOUR_S - 60);
    // Whichever daemon looked next told of each.
    expect(new Set(jumps().map((text) => Math.round(Number(text) / 10) * 10))).toEqual(new Set([DAY_S, 20, -HOUR_S]));
  } finally {
    stopped = true;
    await writing;
  }

  const items = await feed();
  const told = items.flatMap(({ section, subject, data }) =>
    section === 'system' && subject === `node/${reporter.node}` ? [(data as { asset_tag: string }).asset_tag] : [],
  );
  expect(told).toEqual(acknowledged.map((n) => `n${n}`));
  const times = items.map(({ at }) => at);
  expect(times).toEqual([...times].sort());
}, 90_000);
