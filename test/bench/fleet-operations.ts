import { hardwareOf } from '../../agent/client/hardware.ts';
import { identityOf } from '../fleet/identity.ts';
import { makeMachine, serialOf } from '../fleet/machine.ts';
import type { Harness } from '../harness.ts';
import { simulate } from '../simulated-node.ts';
import { idOf, type Seeded } from './fleet-seed.ts';
import { median, time } from './measure.ts';

const TIMES = 40;
/** Numbers of machines that are not in the fleet. */
const NEW = 400_000;

/** Operation → milliseconds, one after the other. */
export type Operations = Record<string, number>;

/** What single operations cost with a fleet of this size; beside those of a small one, when they are given. */
export async function fleetOperations(
  { daemons: [daemon] }: Harness,
  { db }: Seeded,
  small?: Operations,
): Promise<Operations> {
  const { client } = daemon;
  const machines = Array.from({ length: TIMES }, (_, i) => makeMachine(NEW + i));
  const nodes = machines.map(({ index, sections }) =>
    simulate(identityOf('operations', index), hardwareOf({ sections, errors: {} } as never), `operations-${index}`),
  );
  const { token } = await client.call('createJoinToken', { body: { uses: TIMES, expires_in: 3600 } });
  await db
    .insertInto('site')
    .values({ name: 'bench' })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const works: Record<string, (i: number) => Promise<unknown>> = {
    'enrol and be approved': (i) => nodes[i]!.enrol(daemon, token),
    'first report': (i) => nodes[i]!.report(daemon, machines[i]!.sections),
    'changed report': (i) => nodes[i]!.report(daemon, { firmware: { version: `${i}` } }),
    assign: (i) =>
      client.call('assignNode', {
        params: { node: nodes[i]!.node! },
        query: {},
        body: { site: 'bench', fqdn: `bench${i}.example.net`, reason: 'bench' },
      }),
    'one node': (i) => client.call('getNode', { params: { node: idOf(i) }, query: {} }),
    'one node by its serial number': (i) =>
      client.call('getNode', { params: { node: `serial:${serialOf(i)}` }, query: {} }),
    'history of a node': (i) => client.call('getHistory', { params: { node: idOf(i) }, query: {} }),
    'one node in the past': (i) =>
      client.call('getNode', { params: { node: idOf(i) }, query: { as_of: new Date().toISOString() } }),
    'first page of the list': () => client.call('listNodes', { query: {} }),
  };
  const result: Operations = {};
  for (const [name, work] of Object.entries(works)) {
    const took: number[] = [];
    for (let i = 0; i < TIMES; i++) took.push(await time(() => work(i)));
    result[name] = median(took);
    const before = small?.[name];
    const ratio =
      before === undefined ? '' : `, ${(result[name] / before).toPrecision(3)} x that of 1,000 nodes (aim 1.3)`;
    console.log(`  ${name.padEnd(46)} ${result[name].toFixed(2)} ms${ratio}`);
  }
  return result;
}
