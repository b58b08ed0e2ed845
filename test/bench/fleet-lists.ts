import { makeMachine } from '../fleet/machine.ts';
import type { Harness } from '../harness.ts';
import { askApart } from './list-client.ts';
import { show, time } from './measure.ts';

const TIMES = 500;
/** Until both programs' compilers have seen what they do. */
const BEFORE = 50;

/** Lists of nodes by each filter, and what the findings come to. */
export async function fleetLists({ daemons: [daemon] }: Harness, size: number): Promise<void> {
  const { client } = daemon;
  const random = (i: number) => makeMachine((i * 7919) % size);
  const filters: Record<string, (i: number) => Record<string, string>> = {
    none: () => ({}),
    role: (i) => ({ role: random(i).place.model.role }),
    site: (i) => ({ site: random(i).place.site }),
    rack: (i) => ({ site: random(i).place.site, rack: random(i).place.rack }),
    'state, of which there is none': () => ({ state: 'broken' }),
    'health drifted': () => ({ health: 'drifted' }),
    'health unreachable': () => ({ health: 'unreachable' }),
    tag: () => ({ tag: 'lab' }),
    'q: a name': (i) => ({ q: random(i).place.fqdn }),
    'q: a part of a serial number': (i) => ({ q: String(random(i).sections.system!.serial).slice(2) }),
    'q: nothing has it': () => ({ q: 'nothing-has-this' }),
  };
  for (const [name, query] of Object.entries(filters)) {
    const paths = Array.from(
      { length: BEFORE + TIMES },
      (_, i) => `/v1/nodes?${new URLSearchParams({ limit: '100', ...query(i) })}`,
    );
    const took = await askApart(daemon, paths);
    const sorted = took.slice(BEFORE).sort((a, b) => a - b);
    const p99 = sorted[Math.ceil(0.99 * TIMES) - 1]!;
    console.log(
      `  list by ${name.padEnd(38)} p50 ${sorted[TIMES / 2]!.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (aim 10)`,
    );
  }
  const several = async (work: () => Promise<unknown>) => {
    const took: number[] = [];
    for (let i = 0; i < 10; i++) took.push(await time(work));
    return took;
  };
  show('first 100 findings', await several(() => client.call('listFindings', { query: {} })), 'ms');
  show('findings summary (aim 100)', await several(() => client.call('summarizeFindings', { query: {} })), 'ms');
  show('metrics: nodes and findings counted', await several(() => client.call('metrics', {})), 'ms');
}
