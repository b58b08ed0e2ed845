import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type DaemonProcess, defaults, end, startProcess } from './harness.ts';
import { startLoad } from './lab/failover-load.ts';
import { hasPrevious, layPrevious, PREVIOUS } from './lab/release.ts';
import { root } from './program.ts';

const previous = hasPrevious();
const name = `an upgrade while all runs, from ${PREVIOUS.slice(0, 7)}: its daemon and its agent work beside those of this release${
  previous
    ? ''
    : ' (a commit of a history that no CI machine has which clones the last one only; git fetch --unshallow brings it)'
}`;

test.skipIf(!previous)(
  name,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'machinedb-upgrade-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    const url = await createDatabase();
    const tree = layPrevious(directory);
    const children: ChildProcess[] = [];
    onTestFinished(async () => {
      await Promise.all(children.map((child) => end(child, 'SIGTERM')));
    });
    const start = async (state: string, from: string) => {
      const own = { DATABASE_URL: url, MACHINEDB_LISTEN: '127.0.0.1:0', MACHINEDB_STATE: join(directory, state) };
      const daemon = await startProcess(own.MACHINEDB_STATE, [], { ...defaults, ...own }, from);
      children.push(daemon.process);
      return daemon;
    };
    const agent = (daemon: DaemonProcess, serial: string, from: string, joinToken: string) => {
      const home = join(directory, serial);
      mkdirSync(home, { mode: 0o700 });
      const options = { tree: from, serial, url: daemon.url, pins: daemon.pins, directory: home, joinToken };
      const program = join(root, 'test/lab/agent-process.ts');
      children.push(spawn(process.execPath, [program, JSON.stringify(options)], { stdio: 'ignore' }));
    };

    mkdirSync(join(directory, 'old'), { mode: 0o700 });
    const old = await start('old', tree);
    const { token } = await old.client.call('createJoinToken', { body: { uses: 8, expires_in: 600 } });
    agent(old, 'OLD-AT-OLD', tree, token);
    await old.client.call('putRole', { params: { role: 'web' }, body: {} });
    const load = startLoad([old], 2);
    await expect.poll(() => load.sites.length, { timeout: 20_000 }).toBeGreaterThan(5);

    // The new release brings the schema to its own while the old daemon serves.
    mkdirSync(join(directory, 'new'), { mode: 0o700 });
    copyFileSync(join(directory, 'old/kek'), join(directory, 'new/kek'));
    const young = await start('new', root);
    const before = load.sites.length;
    await expect.poll(() => load.sites.length, { timeout: 20_000 }).toBeGreaterThan(before + 5);
    await load.stop();
    expect([...load.refusals.keys()].filter((answer) => answer !== '503 retry-after')).toEqual([]);

    // An old and a new agent at each.
    agent(young, 'OLD-AT-NEW', tree, token);
    agent(old, 'NEW-AT-OLD', root, token);
    agent(young, 'NEW-AT-NEW', root, token);
    const serials = ['NEW-AT-NEW', 'NEW-AT-OLD', 'OLD-AT-NEW', 'OLD-AT-OLD'];
    for (const daemon of [old, young]) {
      const active = async () => {
        const { items } = await daemon.client.call('listNodes', { query: {} });
        return items.flatMap(({ state, serial }) => (state === 'active' ? [serial] : [])).sort();
      };
      await expect.poll(active, { timeout: 60_000, interval: 500 }).toEqual(serials);
    }

    // What one writes, the other reads: intent, what follows from it for each agent, findings, inventory, the feed.
    await old.client.call('putFleetIntent', {
      params: { section: 'tags' },
      query: { reason: 'by the old' },
      body: { blue: true },
    });
    const nodes = (await young.client.call('listNodes', { query: {} })).items;
    for (const { id, serial } of nodes) {
      await young.client.call('assignNode', { params: { node: id }, body: { role: 'web', reason: 'by the new' } });
      for (const daemon of [old, young]) {
        const { wanted } = await daemon.client.call('getWanted', { params: { node: id } });
        expect([serial, wanted]).toMatchObject([serial, { tags: { blue: true } }]);
      }
    }
    const groups = await Promise.all(
      [old, young].map(async (daemon) => {
        const inventory = (await daemon.client.call('inventory', { query: {} })) as Record<
          string,
          { hosts?: string[] }
        >;
        return [...(inventory.role_web?.hosts ?? [])].sort();
      }),
    );
    expect(groups[0]).toHaveLength(4);
    expect(groups[1]).toEqual(groups[0]);
    const feeds = await Promise.all(
      [old, young].map(async ({ client }) => (await client.call('events', { query: { limit: 1000 } })).items),
    );
    expect(feeds[0]!.map(({ cursor }) => cursor)).toEqual(
      feeds[1]!.slice(0, feeds[0]!.length).map(({ cursor }) => cursor),
    );

    // The old daemon also starts on the new schema: an upgrade can be taken back.
    await end(old.process, 'SIGTERM');
    const again = await start('old', tree);
    await again.client.call('putSite', { params: { site: 'after' }, body: {} });
    expect((await young.client.call('listSites', { query: { limit: 1000 } })).items.map((site) => site.name)).toContain(
      'after',
    );
  },
  240_000,
);

async function createDatabase(): Promise<string> {
  const database = `upgrade_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
  await admin.connect();
  await admin.query(`create database ${database}`);
  onTestFinished(async () => {
    await admin.query(`drop database if exists ${database} with (force)`);
    await admin.end();
  });
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${database}`;
  return url.toString();
}
