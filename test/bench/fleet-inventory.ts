import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { selectNodes } from '../../machinedb/nodes/node-view.ts';
import { freePort } from '../../pxe/testing.ts';
import type { DaemonProcess, Harness } from '../harness.ts';
import { startNginx } from '../lab/nginx.ts';
import { ask, type Fetched, fetch } from './fetch.ts';
import { idOf, type Seeded } from './fleet-seed.ts';
import { alternate, median, show, showRatio, time } from './measure.ts';
import { memoryOf } from './processor.ts';
import { makeCertificate } from './yardstick.ts';

const ROUNDS = 5;
const UNCHANGED = 25;

/** The Ansible inventory of a seeded fleet: cold, kept, unchanged, fresh after a change, and as it was. */
export async function fleetInventory(harness: Harness, { db }: Seeded): Promise<void> {
  const daemon = () => harness.daemons[0];
  const compiled = selectNodes(db)
    .select(['node.revoked_at', sql<unknown>`n.observed -> 'network'`.as('network')])
    .compile();
  const client = new pg.Client(harness.databaseUrl);
  await client.connect();
  const rows = async () => JSON.stringify((await client.query(compiled.sql, [...compiled.parameters])).rows);
  await rows();
  const memory: number[] = [];
  const cold = await alternate(3, {
    inventory: async () => {
      await harness.kill(0);
      await harness.start(0);
      const before = memoryOf(daemon().process.pid!);
      const { whole } = await inventory(daemon());
      memory.push((memoryOf(daemon().process.pid!) - before) / 1e6);
      return whole;
    },
    rows: () => time(rows),
  });
  await client.end();
  const { etag, bytes } = await inventory(daemon());
  console.log(`  a body of ${(bytes / 1e6).toFixed(1)} MB`);
  show('cold: first request of a daemon just started', cold.inventory, 'ms');
  show('the rows of lists by node-postgres, as JSON', cold.rows, 'ms');
  showRatio('cold / rows (aim 1.5)', cold.inventory, cold.rows);
  show('memory that the daemon has more after it (aim 500)', memory, 'MB');
  await againstNginx(daemon(), bytes);
  await unchanged(daemon(), etag);
  await afterChange(harness);
  await inThePast(daemon(), cold.inventory);
}

async function againstNginx(daemon: DaemonProcess, bytes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  const { key, cert } = await makeCertificate();
  for (const [name, text] of Object.entries({ key, cert, 'body.json': Buffer.alloc(bytes, 'x') }))
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  mkdirSync(join(directory, 'files'));
  const [front, tls] = [await freePort(), await freePort()];
  const more = `server { listen 127.0.0.1:${tls} ssl; ssl_protocols TLSv1.3; ssl_certificate ${directory}/cert;
    ssl_certificate_key ${directory}/key; location / { alias ${directory}/; } }`;
  const files = join(directory, 'files');
  const nginx = await startNginx(join(directory, 'nginx'), { port: front, upstream: front, files, more });
  try {
    const file = () => fetch(`https://127.0.0.1:${tls}/body.json`, { rejectUnauthorized: false });
    await file();
    const warm = await alternate(ROUNDS, {
      kept: async () => (await inventory(daemon)).whole,
      file: async () => (await file()).whole,
    });
    show('kept body', warm.kept, 'ms');
    show('a file of its size by nginx, TLS', warm.file, 'ms');
    showRatio('kept / nginx (aim 1.5)', warm.kept, warm.file);
  } finally {
    await nginx.close();
    rmSync(directory, { recursive: true });
  }
}

/** By themselves, as one who asks again and again: behind a whole body both sides first clear it away. */
async function unchanged(daemon: DaemonProcess, etag: string): Promise<void> {
  const took: number[] = [];
  for (let i = 0; i < UNCHANGED; i++) took.push((await inventory(daemon, etag)).whole);
  show('304 (aim 5)', took, 'ms');
}

/** The other daemon is asked, which did not see the change itself. */
async function afterChange(harness: Harness): Promise<void> {
  const [first, other] = harness.daemons;
  await inventory(other);
  const [heads, wholes]: number[][] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const { etag } = await inventory(other);
    const body = { state: 'maintenance', reason: 'bench' } as const;
    await first.client.call('setNodeState', { params: { node: idOf(round) }, body });
    const fresh = await inventory(other, etag);
    if (fresh.etag === etag) throw new Error('the inventory did not change');
    heads!.push(fresh.head);
    wholes!.push(fresh.whole);
  }
  show('after one node changed: head with another ETag (aim 100)', heads!, 'ms');
  show('after one node changed: the whole body', wholes!, 'ms');
}

async function inThePast(daemon: DaemonProcess, cold: number[]): Promise<void> {
  const then = new Date().toISOString();
  const past: number[] = [];
  for (let round = 0; round < 3; round++) past.push((await inventory(daemon, undefined, `?as_of=${then}`)).whole);
  show('as of a time', past, 'ms');
  console.log(`  ${'as of / cold (aim 3)'.padEnd(46)} ${(median(past) / median(cold)).toPrecision(3)}`);
}

async function inventory(daemon: DaemonProcess, etag?: string, query = ''): Promise<Fetched> {
  return await ask(daemon, `/v1/ansible/inventory${query}`, etag);
}
