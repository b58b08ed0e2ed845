import { expect, test } from 'vitest';
import { runFailover } from './lab/failover.ts';

/** As many as fit into about three minutes; `npm run bench failover` runs 8 rounds with 40,000 writes. */
const ROUNDS = 3;
const WRITES = 3_000;
/** At most, of each round. */
const WRITES_BACK_MS = 30_000;
const AGENTS_BACK_MS = 90_000;

test('99 the primary is killed under load, 3 rounds: no acknowledged write is lost or done twice, and all comes back by itself', async () => {
  const figures = await runFailover({ rounds: ROUNDS, writes: WRITES, log: (message) => console.log(message) });
  expect(figures).toMatchObject({ lost: [], twice: [], agents: 6 });
  expect(figures.acknowledged).toBeGreaterThanOrEqual(WRITES);
  // Whoever was not served was told so, and when to come again.
  expect(Object.keys(figures.refusals)).toEqual(['503 retry-after']);
  expect(figures.rounds.map(({ killed }) => killed)).toEqual(['postgres', 'postgres and patroni', 'postgres']);
  for (const round of figures.rounds) {
    expect(round.writesBackMs).toBeLessThan(WRITES_BACK_MS);
    expect(round.agentsBackMs).toBeLessThan(AGENTS_BACK_MS);
  }
}, 600_000);
