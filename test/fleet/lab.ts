import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../shared/client.ts';
import { each } from '../bench/measure.ts';
import type { Door } from '../simulated-node.ts';
import { firstFaults } from './faults.ts';
import { type GoOnOptions, goOn } from './go-on.ts';
import { identityOf } from './identity.ts';
import { LabNode } from './lab-node.ts';
import { type Machine, makeMachine } from './machine.ts';
import { assign, intendCables, makePlaces, placedNodes } from './places.ts';

const AT_ONCE = 8;

export interface LabOptions extends Omit<GoOnOptions, 'sleep'> {
  machines: number;
  door: Door;
  /** As an operator, for what people do. */
  client: Client;
  joinToken: string;
  /** The machines' keys follow from it. */
  secret: string;
  /** Distinguishes this start. */
  boot: string;
}

/** Runs a fleet of simulated machines until the signal: all join, have a place, report and beat; and now and then one changes. */
export async function runLab(options: LabOptions): Promise<void> {
  const { client, door, joinToken, secret, boot, random, say, signal } = options;
  const nodes = Array.from({ length: options.machines }, (_, i) => {
    const node = new LabNode(makeMachine(i), { door, identity: identityOf(secret, i), joinToken, boot, random });
    for (const fault of firstFaults(i)) node.faults.add(fault);
    return node;
  });
  signal.addEventListener('abort', () => {
    for (const node of nodes) node.stop();
  });
  const machines = nodes.map(({ machine }) => machine);
  await makePlaces(client, machines);
  const placed = await placedNodes(client);
  const placedNow = new Map<string, Machine>();
  let joined = 0;
  await each(nodes, AT_ONCE, async (node) => {
    if (signal.aborted) return;
    const id = await node.join();
    if (!placed.has(id)) {
      await assign(client, id, node.machine);
      placedNow.set(id, node.machine);
    }
    await node.open();
    joined += 1;
    if (joined % 100 === 0 && joined < nodes.length) say(`${joined} of ${nodes.length} machines have joined`);
  });
  if (signal.aborted) return;
  await intendCables(client, placedNow);
  const racks = new Set(machines.map(({ place: { site, rack } }) => `${site} ${rack}`)).size;
  say(`${nodes.length} machines in ${racks} racks are there. What is different in them:`);
  for (const { machine, faults } of nodes)
    for (const fault of faults) say(`  ${machine.place.fqdn}: ${fault.told(machine)}`);
  await goOn(nodes, { ...options, sleep: (ms) => sleep(ms, undefined, { signal }) });
}
