import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { explainBoot } from '../../machinedb/boot/boot.ts';
import { readConfig } from '../../machinedb/config.ts';
import type { Context } from '../../machinedb/context.ts';
import { openDb } from '../../machinedb/db.ts';
import { openKeys } from '../../machinedb/trust/keys.ts';
import { startBootHttp } from '../../pxe/http/server.ts';
import { memoryInUse } from '../../pxe/memory-in-use.ts';
import { simulateStorm, worstShare } from '../../pxe/storm-simulation.ts';
import { filesOf, seeded } from '../../pxe/testing.ts';
import { startHarness } from '../harness.ts';
import { simulateNode } from '../simulated-node.ts';
import { each, show } from './measure.ts';
import { Servers } from './servers.ts';

const NODES = 2000;
const ROUNDS = 3;

/** Boot decisions while 2,000 known nodes boot at once, and 10,000 in virtual time. */
export async function bootDecisions(): Promise<void> {
  inVirtualTime();
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  const harness = await startHarness({ environment: { MACHINEDB_PENDING_PER_SOURCE: '10000' } });
  const db = openDb({ url: harness.databaseUrl, max: 10, statementTimeoutMs: 30_000, onError: () => {} });
  const keys = await openKeys(db, join(harness.daemons[0].stateDirectory, 'kek'), Date.now);
  const context = { db, keys, config: readConfig({}), now: Date.now } as Context;
  const servers = new Servers({ inside: ['env'] });
  const service = await startBootHttp({
    address: '127.0.0.1',
    port: 0,
    files: filesOf(directory),
    rackOf: (address) => address.split('.')[2]!,
    decide: (request) => explainBoot(context, request),
    arguments: () => [],
    log: { info: () => {}, warn: () => {} },
    random: Math.random,
  });
  try {
    const nodes = Array.from({ length: NODES }, (_, i) => simulateNode(directory, i));
    await each(nodes, 8, (node) => node.enrol(harness.daemons[0]));
    const rates: number[] = [];
    const slowest: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const script = join(import.meta.dirname, 'boot-load.ts');
      const text = await servers.run(process.execPath, [script, service.url, `${NODES}`]);
      const { ms, waited } = JSON.parse(text) as { ms: number; waited: number[] };
      rates.push((NODES * 1000) / ms);
      slowest.push(waited.sort((a, b) => a - b)[Math.floor(NODES * 0.99)]!);
    }
    show(`boot decisions while ${NODES} nodes boot at once`, rates, '/s');
    show('of them the slowest hundredth waits', slowest, 'ms');
  } finally {
    await service.close();
    await servers.close();
    keys.close();
    await db.destroy();
    await harness.close();
    rmSync(directory, { recursive: true });
  }
}

function inVirtualTime(): void {
  const racks = Array.from({ length: 100 }, (_, rack) => (rack % 10 === 0 ? 190 : 90));
  const before = memoryInUse();
  // A kernel of 10 MB and an initramfs of 40 MB, 128 at a time over 10 Gbit/s.
  const { booted, ended, turnedAway, mostWaiting } = simulateStorm({
    ...{ racks, decisionMs: 5, kernelMs: 1000, initrdMs: 4000, random: seeded(Date.now()) },
  });
  const all = racks.reduce((sum, rack) => sum + rack, 0);
  show(`of ${all} nodes in virtual time boot`, [booted], '');
  show('the last one after', [Math.max(...ended) / 1000], 's');
  show('the wire alone would take', [(all * 5) / 128], 's');
  show('worst rack / its fair share', [worstShare(racks, ended)], '');
  show('turned away', [turnedAway], '');
  show('waiting at most', [mostWaiting], '');
  show('memory grew by', [(memoryInUse() - before) / 1e6], 'MB');
}
