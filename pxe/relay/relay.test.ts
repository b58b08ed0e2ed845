import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RelayNode, RelaySelf } from '../../shared/api/relay.ts';
import type { BootAnswer } from '../../shared/boot.ts';
import { freePort, keptLog } from '../testing.ts';
import { Known } from './known.ts';
import type { RelayBoot } from './options.ts';
import { startRelay } from './relay.ts';

const mac = '52:54:00:00:00:01';
const answer = (reason: string): BootAnswer => ({ spec: { kind: 'local' }, reason });
const self: RelaySelf = {
  ...{ name: 'r1', site: 'ams1', certificates: [], images: [], trust_signatures: [], unknown: answer('unknown') },
  trust: { name: 'machinedb', pins: [], wanted_keys: [] },
};
const asked = (boot: BootAnswer, more: Partial<RelayNode>): RelayNode => ({
  ...{ node: '11111111-1111-4111-8111-111111111111', level: 'approved', keys: [], cards: { [mac]: [] } },
  ...{ boot, ...more },
});

/** What a relay that was started without its centre is asked by its boot service, on a clock of its own. */
async function alone(node: RelayNode) {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-relay-'));
  await new Known(directory).replace(self, [node]);
  const clock = { now: Date.UTC(2026, 10, 1) };
  const started = Promise.withResolvers<RelayBoot>();
  const relay = await startRelay({
    ...{ upstream: new URL(`http://127.0.0.1:${await freePort()}`), token: 't', ca: undefined, directory },
    ...{ address: '127.0.0.1', port: 0, cacheLimit: undefined, queueLimit: 1000 },
    ...{ heartbeatMs: 1000, syncMs: 1000, retryMs: 1000, log: keptLog(), now: () => clock.now, random: () => 0.5 },
    startBoot: async (boot) => {
      started.resolve(boot);
      return { url: '', close: async () => undefined };
    },
  });
  onTestFinished(async () => {
    await relay.close();
    rmSync(directory, { recursive: true });
  });
  const { decide } = await started.promise;
  return { clock, boots: async () => (await decide({ mac })).reason };
}

test('a rescue ends by its time, also where the centre is away that it was asked of', async () => {
  const later = { at: '2026-11-01T01:00:00.000Z', boot: answer('install 1 is done') };
  const { clock, boots } = await alone(asked(answer('rescue by ann'), { later }));
  expect(await boots()).toBe('rescue by ann');
  clock.now += 3_599_999;
  expect(await boots()).toBe('rescue by ann');
  clock.now += 1;
  expect(await boots()).toBe('install 1 is done');
});
