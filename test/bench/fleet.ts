import { type Harness, startHarness } from '../harness.ts';
import { fleetIntent } from './fleet-intent.ts';
import { fleetInventory } from './fleet-inventory.ts';
import { fleetLists } from './fleet-lists.ts';
import { fleetOperations } from './fleet-operations.ts';
import { fleetRegister } from './fleet-register.ts';
import { type Seeded, seedFleet } from './fleet-seed.ts';
import { fleetSessions } from './fleet-sessions.ts';

const SIZE = 10_000;
/** What an operation costs here is what it is compared with. */
const SMALL = 1_000;

const environment = {
  MACHINEDB_PENDING_PER_SOURCE: '1000000',
  MACHINEDB_NONCE_LIFE_MS: '3600000',
  MACHINEDB_HEARTBEAT_MS: '30000',
  MACHINEDB_TASK_MS: '5000',
};

type Part = (harness: Harness, seeded: Seeded, size: number) => Promise<unknown>;

/** In an order in which none disturbs the next: the last two change the fleet. */
const parts: Record<string, Part> = {
  operations,
  inventory: fleetInventory,
  lists: (harness, _seeded, size) => fleetLists(harness, size),
  sessions: fleetSessions,
  intent: fleetIntent,
  register: (harness, seeded, size) => fleetRegister(harness, seeded, size),
};

/** A fleet of `size` nodes: what its inventory, lists, intents, registrations and sessions cost. */
export async function fleet(size = SIZE): Promise<void> {
  await measure(Object.keys(parts), size);
}

/** Each part alone, by its name: `fleet-lists`. */
export const fleetParts = Object.fromEntries(
  Object.keys(parts).map((name) => [`fleet-${name}`, (size = SIZE) => measure([name], size)]),
);

async function measure(names: string[], size: number): Promise<void> {
  await withFleet(size, async (harness, seeded) => {
    for (const name of names) {
      const started = performance.now();
      await parts[name]!(harness, seeded, size);
      console.log(`  ${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
  });
}

async function operations(harness: Harness, seeded: Seeded, size: number): Promise<void> {
  const fleet = { harness, seeded, size };
  if (size <= SMALL) return await fleetOperations(fleet);
  await withFleet(SMALL, (other, few) => fleetOperations(fleet, { harness: other, seeded: few, size: SMALL }));
}

async function withFleet<Result>(
  size: number,
  work: (harness: Harness, seeded: Seeded) => Promise<Result>,
): Promise<Result> {
  const harness = await startHarness({ environment });
  try {
    const started = performance.now();
    const seeded = await seedFleet(harness, size);
    console.log(`  ${size} nodes, seeded in ${((performance.now() - started) / 1000).toFixed(0)} s`);
    try {
      return await work(harness, seeded);
    } finally {
      await seeded.close();
    }
  } finally {
    await harness.close();
  }
}
