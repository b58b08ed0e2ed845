// npm test: sets up what the tests use, then runs every test that this machine can run.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOwnPostgres } from '../machinedb/postgres/start.ts';
import { openState } from '../machinedb/state.ts';
import { packages } from './packages.ts';

process.chdir(join(import.meta.dirname, '..'));
const only = process.argv.slice(2);

function step(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync('dpkg', ['--status', name], { encoding: 'utf8' });
  return /^Status: install ok installed$/m.test(stdout ?? '');
}

function installPackages(): void {
  const missing = packages.map(({ name }) => name).filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    console.error(`npm test needs Debian packages that are not installed; as root:\n  apt-get update && ${command}`);
    process.exit(1);
  }
  console.error(`npm test installs the Debian packages that its tests use: ${missing.join(' ')}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-q'], { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
  const { status } = spawnSync('sh', ['-c', `${command} -q`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: environment,
  });
  if (status !== 0) {
    console.error(`apt-get failed; mend it, or install them by hand: ${command}`);
    process.exit(1);
  }
}

installPackages();
step('biome', ['check', '--error-on-warnings', '.']);
step('tsc', ['--noEmit']);
step(process.execPath, ['agent/build.ts']);

const directory = mkdtempSync(join(tmpdir(), 'machinedb-test-'));
const state = await openState(join(directory, 'state'));
const shared = `${directory}-shared`;
const log = {
  info: () => {},
  warn: (message: string) => console.error(message),
  error: (message: string) => console.error(message),
};
const postgres = await startOwnPostgres({ state: state.directory, shared, log, path: process.env.PATH ?? '' });
const vitest = spawn('vitest', ['run', ...only], {
  stdio: 'inherit',
  env: {
    ...process.env,
    TEST_DATABASE_URL: postgres.url,
    // A run starts hundreds of daemons and commands: what Node.js has compiled for the first of them the others load (Node.js, module.enableCompileCache).
    NODE_COMPILE_CACHE: join(process.cwd(), 'node_modules/.cache/machinedb/compiled'),
  },
});
// The terminal's Ctrl-C reaches vitest too; the database is stopped after it.
process.on('SIGINT', () => {});
vitest.on('exit', async (code) => {
  await postgres.stop();
  state.close();
  rmSync(directory, { recursive: true, force: true });
  rmSync(shared, { recursive: true, force: true });
  process.exit(code ?? 1);
});
