import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runAgent } from '../agent/run.ts';
import { openSystem } from '../agent/system.ts';
import { startHarness } from './harness.ts';

const LOOKS = 16;

test('an agent ends when it is told to, whatever it is doing: between any two looks at its clock', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-agent-end-'));
  const harness = await startHarness();
  try {
    for (let look = 1; look <= LOOKS; look++) {
      const ending = new AbortController();
      let looks = 0;
      const run = runAgent({
        system: openSystem(),
        url: new URL(harness.daemons[0].url),
        pins: harness.daemons[0].pins,
        directory,
        clock: () => {
          looks += 1;
          if (looks === look) ending.abort();
          return Date.now();
        },
        random: Math.random,
        firstBeatMs: 0,
        observeMs: 60_000,
        bootId: 'agent-end',
        firstSeq: look * 10,
        log: () => {},
        signal: ending.signal,
      }).then(() => 'ended');
      const late = new Promise((resolve) => setTimeout(() => resolve(`told at look ${look}, and still running`), 5000));
      expect(await Promise.race([run, late])).toBe('ended');
    }
  } finally {
    await harness.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
