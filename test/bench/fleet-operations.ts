import { hardwareOf } from '../../agent/client/hardware.ts';
import { identityOf } from '../fleet/identity.ts';
import { makeMachine, serialOf } from '../fleet/machine.ts';
import type { Harness } from '../harness.ts';
import { simulate } from '../simulated-node.ts';
import { ask } from './fetch.ts';
import { idOf, type Seeded } from './fleet-seed.ts';
import { alternate, median, time } from './measure.ts';

const TIMES = 40;
/** Reads change nothing, and are of nodes all over the fleet. */
const READS = 200;
/** Numbers of machines that are not in the fleet. */
const NEW = 400_000;

export interface Fleet {
  harness: Harness;
  seeded: Seeded;
  size: number;
}

interface Work {
  times: number;
  run: (i: number) => Promise<unknown>;
}

/**
 * What single operations cost with a fleet; beside a small one, when it is given: by turns, since what else the machine and this
 * process do (the garbage of seeding, above all) differs more from one minute to the next than the fleets do.
 */
export async function fleetOperations(fleet: Fleet, small?: Fleet): Promise<void> {
  const [works, others] = [await worksOf(fleet), small === undefined ? undefined : await worksOf(small)];
  for (const [name, { times, run }] of Object.entries(works)) {
    const other = others?.[name];
    const took = await alternate<string>(times, {
      large: (i) => time(() => run(i)),
      ...(other === undefined ? {} : { small: (i) => time(() => other.run(i)) }),
    });
    const cost = median(took.large!);
    const before = took.small === undefined ? undefined : median(took.small);
    const ratio =
      before === undefined
        ? ''
        : `, ${(cost / before).toPrecision(3)} x that of ${small!.size} nodes, ${before.toFixed(2)} ms (aim 1.3)`;
    console.log(`  ${name.padEnd(46)} ${cost.toFixed(2)} ms${ratio}`);
  }
}

async function worksOf({ harness, seeded, size }: Fleet): Promise<Record<string, Work>> {
  const [daemon] = harness.daemons;
  const { client } = daemon;
  const machines = Array.from({ length: TIMES }, (_, i) => makeMachine(NEW + i));
  const nodes = machines.map(({ index, sections }) =>
    simulate(identityOf('operations', index), hardwareOf({ sections, errors: {} } as never), `operations-${index}`),
  );
  const { token } = await client.call('createJoinToken', { body: { uses: TIMES, expires_in: 3600 } });
  await seeded.db
    .insertInto('site')
    .values({ name: 'bench' })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const write = (run: Work['run']): Work => ({ times: TIMES, run });
  const read = (path: (index: number) => string): Work => ({
    times: READS,
    run: (i) => ask(daemon, path((i * 7919) % size)),
  });
  return {
    'enrol and be approved': write((i) => nodes[i]!.enrol(daemon, token)),
    'first report': write((i) => nodes[i]!.report(daemon, machines[i]!.sections)),
    'changed report': write((i) => nodes[i]!.report(daemon, { firmware: { version: `${i}` } })),
    assign: write((i) =>
      client.call('assignNode', {
        params: { node: nodes[i]!.node! },
        query: {},
        body: { site: 'bench', fqdn: `bench${i}.example.net`, reason: 'bench' },
      }),
    ),
    'one node': read((index) => `/v1/nodes/${idOf(index)}`),
    'one node by its serial number': read((index) => `/v1/nodes/serial:${encodeURIComponent(serialOf(index))}`),
    'history of a node': read((index) => `/v1/nodes/${idOf(index)}/history`),
    'one node in the past': read((index) => `/v1/nodes/${idOf(index)}?as_of=${new Date().toISOString()}`),
    'first page of the list': read(() => '/v1/nodes'),
  };
}
