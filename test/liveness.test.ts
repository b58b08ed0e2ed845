import { afterAll, expect, test } from 'vitest';
import type { Reply } from '../shared/api.ts';
import { startHarness } from './harness.ts';
import { request, type SimulatedNode, simulateNode } from './simulated-node.ts';

const harness = await startHarness();
const { call, daemons, directory } = harness;
const beating = new Set<SimulatedNode>();
let seq = 0;
let ended = false;

/** All that beat, once in half an interval, each by the other daemon than before. */
async function beatOn(): Promise<void> {
  while (!ended) {
    seq += 1;
    const daemon = daemons[seq % 2]!;
    const body = JSON.stringify({ boot_id: 'boot', seq, facts: 'f', generation: 0, version: '0.1.0' });
    const beats = [...beating].map(async (node) =>
      request<{ next_in_ms: number; lease_ms: number; want: string[] }>(daemon, 'POST', '/v1/self/heartbeat', body, {
        authorization: `Bearer ${await node.token(daemon)}`,
      }),
    );
    for (const { next_in_ms, lease_ms, want } of await Promise.all(beats)) {
      expect([next_in_ms >= 800 && next_in_ms <= 1200, lease_ms, want]).toEqual([true, 3500, ['observed', 'wanted']]);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

afterAll(async () => {
  ended = true;
  await harness.close();
});

const kinds = ['site.unreachable', 'site.reachable', 'node.unreachable', 'fleet.silent'];
async function said(): Promise<string[]> {
  const items: Reply<'events'>['items'] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await call('events', { query: { ...(cursor === undefined ? {} : { cursor }), limit: 1000 } });
    if (page.items.length === 0) break;
    items.push(...page.items);
    cursor = page.cursor;
  }
  return items.flatMap(({ kind, subject }) => (kinds.includes(kind) ? [`${kind} ${subject}`] : []));
}

test('through two daemons: a site that falls silent is one event, and so is its return; other sites hear nothing of it', async () => {
  for (const site of ['a', 'b']) await call('putSite', { params: { site }, body: {} });
  const { token } = await call('createJoinToken', { body: { uses: 12, expires_in: 600 } });
  const nodes = Array.from({ length: 12 }, (_, i) => simulateNode(directory, i + 1));
  await Promise.all(nodes.map((node) => node.enrol(daemons[0], token)));
  const items = nodes.map(({ node }, i) => ({ node: node!, site: i < 6 ? 'a' : 'b' }));
  await call('bulk', { body: { items, reason: 'test' } });
  for (const node of nodes) beating.add(node);
  void beatOn();
  const reachable = async (site: string) => {
    const page = await call('listNodes', { query: { site } });
    return page.items.filter(({ health }) => health !== 'unreachable').length;
  };
  // Two leases after the daemons' start somebody may be called unreachable.
  await new Promise((resolve) => setTimeout(resolve, 7500));
  for (const node of nodes.slice(0, 6)) beating.delete(node);
  await expect.poll(said, { timeout: 20_000, interval: 300 }).toEqual(['site.unreachable site/a']);
  expect((await call('listSites', {})).items).toEqual([
    { name: 'a', unreachable: { since: expect.any(String), nodes: expect.any(Number) } },
    { name: 'b' },
  ]);
  for (const node of nodes.slice(0, 6)) beating.add(node);
  const both = ['site.unreachable site/a', 'site.reachable site/a'];
  await expect.poll(said, { timeout: 20_000, interval: 300 }).toEqual(both);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await said()).toEqual(both);
  expect([await reachable('a'), await reachable('b')]).toEqual([6, 6]);
  expect((await call('listSites', {})).items).toEqual([{ name: 'a' }, { name: 'b' }]);
}, 60_000);
