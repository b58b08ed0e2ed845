import { expect, test } from 'vitest';
import type { Rollout } from '../../shared/api/rollout.ts';
import { rolloutText } from './rollout.ts';

const at = '2026-11-21T10:00:00.000Z';
const settings = { slots: 5, stop_after: 3 };
const none = { waiting: 0, held: 0, staged: 0, applied: 0, applying: [], undone: [] };

test('roll-outs are a table, and under it what somebody should know of each', () => {
  const items: Rollout[] = [
    {
      ...{ role: 'gpu', state: 'stopped', ...settings, ...none, waiting: 40, held: 1, staged: 2, applied: 7 },
      change: { what: 'network of role/gpu', by: 'ann', at, reason: 'faster' },
      applying: [{ node: 'n1', name: 'gpu1', generation: 4, since: at, until: '2026-11-21T10:10:00.000Z' }],
      undone: [{ node: 'n2', name: 'gpu2', generation: 4, outcome: 'undone', at, reason: 'no gateway\u001b[2J' }],
      stopped: { at, reason: '3 nodes are not as the change wants them' },
      next: 'mend the intent',
    },
    { ...{ role: 'web', state: 'idle' }, ...settings, ...none },
  ];
  expect(rolloutText(items)).toBe(
    [
      'ROLE  STATE    WAITING  APPLYING  APPLIED  UNDONE  CHANGE               BY   AT                        REASON',
      'gpu   stopped  40       1         7        1       network of role/gpu  ann  2026-11-21T10:00:00.000Z  faster',
      'web   idle     0        0         0        0',
      '',
      'gpu (5 at a time, stops after 3 roll-backs)',
      '  gpu1 applies since 2026-11-21T10:00:00.000Z, until 2026-11-21T10:10:00.000Z at most',
      '  gpu2 undone at 2026-11-21T10:00:00.000Z: no gateway\\x1b[2J',
      '  2 nodes when booted next',
      '  1 node on hold',
      '  stopped at 2026-11-21T10:00:00.000Z: 3 nodes are not as the change wants them',
      '  to go on: mend the intent',
    ].join('\n'),
  );
});
