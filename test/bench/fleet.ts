import { startHarness } from '../harness.ts';
import { seedFleet } from './fleet-seed.ts';
import { time } from './measure.ts';

const SIZE = 10_000;

/** A fleet of `size` nodes: what everything costs then. */
export async function fleet(size = SIZE): Promise<void> {
  const harness = await startHarness();
  try {
    let seeded: Awaited<ReturnType<typeof seedFleet>> | undefined;
    const ms = await time(async () => {
      seeded = await seedFleet(harness, size);
    });
    console.log(`  ${size} nodes, seeded in ${(ms / 1000).toFixed(0)} s`);
    await seeded!.close();
  } finally {
    await harness.close();
  }
}
