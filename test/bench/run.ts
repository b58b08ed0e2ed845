// npm run bench [NAME...] [SIZE]: measures and prints figures, each beside a yardstick measured in the same run. SIZE is for fleet and
// its parts (fleet-lists, ...): how many nodes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnPostgres } from '../../machinedb/postgres/start.ts';
import { openState } from '../../machinedb/state.ts';
import { agent } from './agent.ts';
import { boot, install } from './boot.ts';
import { bootDecisions } from './boot-decisions.ts';
import { bootDhcp } from './boot-dhcp.ts';
import { bootFiles } from './boot-files.ts';
import { bootServices } from './boot-services.ts';
import { facts } from './facts.ts';
import { failover } from './failover.ts';
import { fleet, fleetParts } from './fleet.ts';
import { fuzz } from './fuzz.ts';
import { heartbeats } from './heartbeats.ts';
import { inventory } from './inventory.ts';
import { registrations } from './registrations.ts';
import { revisions } from './revisions.ts';

const benches: Record<string, (size?: number) => Promise<void>> = {
  heartbeats,
  registrations,
  revisions,
  inventory,
  agent,
  facts,
  boot,
  install,
  'boot-services': bootServices,
  'boot-files': bootFiles,
  'boot-dhcp': bootDhcp,
  'boot-decisions': bootDecisions,
  failover,
  fuzz,
  fleet,
};

process.chdir(join(import.meta.dirname, '../..'));
const [sizes, names] = [true, false].map((is) => process.argv.slice(2).filter((text) => /^\d+$/.test(text) === is)) as [
  string[],
  string[],
];
const size = sizes[0] === undefined ? undefined : Number(sizes[0]);
const known = [...Object.keys(benches), ...Object.keys(fleetParts)];
const unknown = names.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`there is no bench "${unknown}": there are ${known.join(', ')}`);
  process.exit(2);
}
// The agent is measured as it ships.
if (spawnSync('node', ['agent/build.ts'], { stdio: 'inherit' }).status !== 0) process.exit(1);

const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
const shared = `${directory}-shared`;
const state = await openState(join(directory, 'state'));
const log = { info: () => {}, warn: console.error, error: console.error };
const postgres = await startOwnPostgres({ state: state.directory, shared, log, path: process.env.PATH ?? '' });
process.env.TEST_DATABASE_URL = postgres.url;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));
try {
  for (const name of names.length === 0 ? Object.keys(benches) : names) {
    console.log(`\n${name}`);
    await (benches[name] ?? fleetParts[name])!(size);
  }
} finally {
  await cleanUp();
}
process.exit(0);

async function cleanUp(): Promise<void> {
  await postgres.stop();
  state.close();
  rmSync(directory, { recursive: true, force: true });
  rmSync(shared, { recursive: true, force: true });
}
