import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { checkBackup, restore } from '../machinedb/backup/restore.ts';
import { migrations } from '../machinedb/migrate.ts';
import { readKek } from '../machinedb/trust/seal.ts';
import { startHarness } from './harness.ts';
import { root, runProgram, settingsFor } from './program.ts';
import { simulateNode } from './simulated-node.ts';

vi.setConfig({ testTimeout: 120_000 });
const directory = mkdtempSync(join(tmpdir(), 'machinedb-backup-'));
const harness = await startHarness();
const [daemon] = harness.daemons;
const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
await admin.connect();
const made: string[] = [];
afterAll(async () => {
  await harness.close();
  for (const name of made) await admin.query(`drop database if exists ${name} with (force)`);
  await admin.end();
  rmSync(directory, { recursive: true, force: true });
});

async function emptyDatabase(): Promise<string> {
  const name = `restored_${randomBytes(6).toString('hex')}`;
  await admin.query(`create database ${name}`);
  made.push(name);
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${name}`;
  return url.toString();
}

const run = (database: string, ...args: string[]) =>
  runProgram(join(root, 'machinedb/bin/machinedb'), args, { ...settingsFor(daemon), DATABASE_URL: database });
const kekFile = join(daemon.stateDirectory, 'kek');
const kek = readKek(kekFile)!.id;

async function withClient<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const rowsOf = (database: string, text: string): Promise<unknown[]> =>
  withClient(database, async (client) => (await client.query({ text, rowMode: 'array' })).rows.flat());

const tables = `select count(*)::int from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`;

/** Sites by the API, one after the other, until stopped; answers the names that were acknowledged. */
function writeSites(prefix: string): { done: string[]; stop: () => Promise<void> } {
  const done: string[] = [];
  let stopped = false;
  const writer = async () => {
    while (!stopped) {
      const site = `${prefix}${done.length}`;
      await harness.call('putSite', { params: { site }, body: {} });
      done.push(site);
    }
  };
  const ended = writer();
  // Told where it is waited for; the test may have failed by then.
  ended.catch(() => undefined);
  return {
    done,
    stop: async () => {
      stopped = true;
      await ended;
    },
  };
}

const canary = `canary-${randomBytes(8).toString('hex')}`;
const strange = 'tab\t, line\nend, \\. and \\N, “ä”';

test('a backup under writes is one instant; restored, it is a history of its own, on hold', async () => {
  await harness.call('putSecret', { params: { secret: 'bmc' }, body: { value: canary } });
  await harness.call('putSite', { params: { site: 'strange' }, body: { description: strange } });
  await harness.call('putNetwork', { params: { network: 'mgmt' }, body: { cidr: '10.20.0.0/24' } });
  const node = simulateNode(directory, 1);
  await node.enrol(daemon);
  await node.report(daemon, { os: { kernel: '6.1.0', note: strange } });
  const before = writeSites('w');
  await expect.poll(() => before.done.length, { timeout: 20_000 }).toBeGreaterThan(5);
  const acknowledged = before.done.length;
  const file = join(directory, 'one');
  const written = await run(harness.databaseUrl, 'backup', file);
  await before.stop();
  expect(written).toMatchObject({ code: 0 });
  expect(written.stdout).toMatch(new RegExp(`^${file} is written: \\d+ tables with \\d+ rows, as of 20\\S+Z\n$`));
  expect(written.stderr).toBe(
    `Its secrets are sealed with key-encryption key ${kek}, which is not in it. That key is in ${kekFile}: keep a copy at another place than the backup; without it the secrets are lost.\n`,
  );
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { cursor } = await harness.call('events', { query: { limit: 1000, cursor: 'now' } });

  const target = await emptyDatabase();
  const restored = await run(target, 'restore', file);
  expect([restored.code, restored.stdout]).toEqual([0, written.stdout.replace('is written', 'is restored')]);
  expect(await rowsOf(target, 'select origin from fleet')).toEqual(['restored']);
  const copy = await startHarness({ databaseUrl: target, kekFrom: daemon.stateDirectory });
  try {
    const sites = await rowsOf(target, `select name from site where name like 'w%' order by substr(name, 2)::int`);
    expect(sites.length).toBeGreaterThanOrEqual(acknowledged);
    // Neither a row without its event nor an event without its row.
    expect(
      await rowsOf(target, `select substr(subject, 6) from event where subject like 'site/w%' order by seq`),
    ).toEqual(sites);
    expect(before.done.slice(0, sites.length)).toEqual(sites);
    const found = await copy.call('listSites', { query: { limit: 1000 } });
    expect(found.items.find(({ name }) => name === 'strange')?.description).toBe(strange);
    const { observed } = await copy.call('getNode', { params: { node: node.node! }, query: {} });
    expect(observed.os).toEqual({ kernel: '6.1.0', note: strange });
    await expect(copy.call('events', { query: { cursor } })).rejects.toMatchObject({ status: 410, code: 'gone' });
    const { items } = await copy.call('events', { query: { limit: 1000 } });
    expect(items.filter(({ kind }) => kind === 'fleet.restored')).toMatchObject([
      { subject: 'fleet', actor: 'machinedb restore' },
    ]);
    expect(await rowsOf(target, 'select hold from fleet')).toEqual([true]);
    // What counts goes on where it was.
    await copy.call('putSite', { params: { site: 'after' }, body: {} });
    await copy.call('createToken', { body: { name: 'after', scopes: ['read'] } });
  } finally {
    await copy.close();
  }
});

test('114 no secret value, and no key, is in a backup', async () => {
  const file = join(directory, 'secrets');
  await run(harness.databaseUrl, 'backup', file);
  const content = zstdDecompressSync(readFileSync(file)).toString('latin1');
  expect(content).toContain('machinedb/ca');
  for (const secret of [canary, readFileSync(kekFile, 'utf8').trim(), daemon.connection.token!])
    expect(content.includes(secret) || content.includes(Buffer.from(secret).toString('hex'))).toBe(false);
});

test('a file that is no good backup is refused by its cause, and leaves the database empty', async () => {
  const good = join(directory, 'good');
  await run(harness.databaseUrl, 'backup', good);
  const bytes = readFileSync(good);
  const lines = zstdDecompressSync(bytes).toString('utf8');
  const head = JSON.parse(lines.split('\n')[0]!) as { migrations: { name: string; digest: string }[] };
  const newest = head.migrations.at(-1)!;
  const flipped = Buffer.from(bytes);
  flipped[bytes.length >> 1]! ^= 1;
  const bad: [string, Buffer, string | RegExp][] = [
    ['cut', bytes.subarray(0, bytes.length - 100), 'it ends before its end: a part of it is missing'],
    // Where it hits decides who sees it first: zstd, PostgreSQL, the counts or the digests.
    ['flipped', flipped, /its bytes are not what was written|does not take the rows|SHA-256|should have|should be/],
    ['text', Buffer.from('-- PostgreSQL database dump\n'), 'its bytes are not what was written'],
    ['other', zstdCompressSync('{"format":"other"}\n'), 'it has no head of a backup of this form where one should be'],
    [
      'edited',
      zstdCompressSync(lines.replace('Sim', 'Sam').replace('\nw3\t', '\nwX\t')),
      /^the rows of table \w+ are not those of its SHA-256$/,
    ],
    ['short', zstdCompressSync(lines.replace(/\nw3\t.*\n/, '\n')), /^table site has \d+ rows, and should have \d+$/],
    [
      'endless',
      zstdCompressSync(lines.slice(0, lines.lastIndexOf('{"end"'))),
      'it ends before its end: a part of it is missing',
    ],
    ['head', zstdCompressSync(lines.replace('"made_at":"20', '"made_at":"21')), 'it is not what its SHA-256 says'],
    ['sum', zstdCompressSync(lines.replace(/("end":true,"rows":)\d+/, '$10')), 'it is not what its SHA-256 says'],
    [
      'order',
      zstdCompressSync(lines.replace('{"table":"site"}', '{"table":"rack"}')),
      'it has table rack where site should be',
    ],
    ['twice', zstdCompressSync(lines + lines), 'something follows its end'],
    [
      'newer',
      zstdCompressSync(lines.replace(newest.digest, '0'.repeat(64))),
      `it was made by a MachineDB with another migration ${newest.name}: restore it with that release`,
    ],
  ];
  const target = await emptyDatabase();
  for (const [name, content, cause] of bad) {
    const file = join(directory, name);
    writeFileSync(file, content);
    const told = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);
    const refused = await told(withClient(target, (client) => restore(client, file, migrations())));
    expect(refused.split(': ')[0]).toBe(`${file} is no good backup`);
    expect(refused.slice(`${file} is no good backup: `.length)).toMatch(cause);
    // Without a database nobody takes the rows, or knows the migration.
    if (!/^(flipped|newer)$/.test(name)) expect(await told(checkBackup(file))).toBe(refused);
    expect(await rowsOf(target, tables)).toEqual([0]);
  }
  expect(await run(target, 'restore', join(directory, 'cut'))).toEqual({
    code: 1,
    stdout: '',
    stderr: `machinedb: ${directory}/cut is no good backup: it ends before its end: a part of it is missing\n`,
  });
  expect(await run(target, 'restore', join(directory, 'nothing'))).toMatchObject({
    code: 1,
    stderr: `machinedb: ${directory}/nothing cannot be read: ENOENT: no such file or directory, open '${directory}/nothing'\n`,
  });
  expect(await run(target, 'restore', good, '--check')).toMatchObject({ code: 0 });
  expect(await rowsOf(target, tables)).toEqual([0]);
});

test('nothing is written over: no file, and no database that has something', async () => {
  const file = join(directory, 'kept');
  writeFileSync(file, 'kept');
  expect(await run(harness.databaseUrl, 'backup', file)).toMatchObject({
    code: 1,
    stderr: `machinedb: ${file} is there already: name a new file, so that no backup is lost\n`,
  });
  expect(readFileSync(file, 'utf8')).toBe('kept');
  expect(await run(await emptyDatabase(), 'backup', join(directory, 'none'))).toMatchObject({
    code: 1,
    stderr: 'machinedb: the database is not one of MachineDB: there is nothing to back up\n',
  });
  expect(existsSync(join(directory, 'none.part'))).toBe(false);
  expect(await run(harness.databaseUrl, 'restore', join(directory, 'good'))).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^machinedb: the database is not empty \(it has \w+ and \d+ more\): restore into a new one\n$/,
    ),
  });
});
