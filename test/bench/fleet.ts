import { startHarness } from '../harness.ts';
import { fleetIntent } from './fleet-intent.ts';
import { fleetInventory } from './fleet-inventory.ts';
import { fleetLists } from './fleet-lists.ts';
import { fleetOperations } from './fleet-operations.ts';
import { fleetRegister } from './fleet-register.ts';
import { seedFleet } from './fleet-seed.ts';
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

/** A fleet of `size` nodes: what its inventory, lists, intents, registrations and sessions cost. */
export async function fleet(size = SIZE): Promise<void> {
  const small =
    size > SMALL ? await withFleet(SMALL, (harness, seeded) => fleetOperations(harness, seeded)) : undefined;
  await withFleet(size, async (harness, seeded) => {
    await fleetOperations(harness, seeded, small);
    await fleetInventory(harness, seeded);
    await fleetLists(harness, size);
    await fleetSessions(harness, seeded);
    await fleetIntent(harness, seeded);
    await fleetRegister(harness, seeded, size);
  });
}

async function withFleet<Result>(
  size: number,
  work: (
    harness: Awaited<ReturnType<typeof startHarness>>,
    seeded: Awaited<ReturnType<typeof seedFleet>>,
  ) => Promise<Result>,
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
