import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runAgent } from '../agent/run.ts';
import { openSystem } from '../agent/system.ts';
import { startHarness } from './harness.ts';

const TOKEN_LIFE_MS = 2000;

test('a duty that takes longer than a token lives, such as an install, still speaks as its node', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-agent-duty-'));
  const harness = await startHarness({ environment: { MACHINEDB_TOKEN_LIFE_MS: String(TOKEN_LIFE_MS) } });
  const ending = new AbortController();
  const said: unknown[] = [];
  try {
    await runAgent({
      system: openSystem(),
      url: new URL(harness.daemons[0].url),
      pins: harness.daemons[0].pins,
      directory,
      clock: Date.now,
      random: Math.random,
      firstBeatMs: 0,
      observeMs: 60_000,
      bootId: 'agent-duty',
      firstSeq: 1,
      log: () => {},
      signal: ending.signal,
      duty: {
        async work(door) {
          for (const wait of [0, TOKEN_LIFE_MS + 500]) {
            await new Promise((resolve) => setTimeout(resolve, wait));
            said.push(await door.send({ method: 'GET', path: '/v1/self' }).catch((error: Error) => error));
          }
          ending.abort();
          return false;
        },
      },
    });
    expect(said).toEqual([
      expect.objectContaining({ level: 'claimed' }),
      expect.objectContaining({ level: 'claimed' }),
    ]);
  } finally {
    await harness.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
