import https from 'node:https';
import { sql } from 'kysely';
import pg from 'pg';
import { openDb } from '../../machinedb/db.ts';
import { selectNodes } from '../../machinedb/nodes/node-view.ts';
import { type Harness, startHarness } from '../harness.ts';
import { alternate, show, showRatio, time } from './measure.ts';
import { startYardstick } from './yardstick.ts';

const NODES = 10_000;
const ROUNDS = 7;
const COLD_ROUNDS = 3;

/** The Ansible inventory of 10,000 nodes: cold, kept and unchanged, against its SQL rows and a static file. */
export async function inventory(): Promise<void> {
  const harness = await startHarness();
  const db = openDb({ url: harness.databaseUrl, max: 1, statementTimeoutMs: 60_000, onError: () => {} });
  const query = selectNodes(db)
    .select(['node.revoked_at', sql<unknown>`n.observed -> 'network'`.as('network')])
    .compile();
  const client = new pg.Client(harness.databaseUrl);
  await client.connect();
  try {
    await client.query(fill);
    await client.query('vacuum analyze');
    const rows = () => time(() => client.query(query.sql, [...query.parameters]));
    await rows();
    const cold = await alternate(COLD_ROUNDS, {
      inventory: async () => {
        await harness.kill(0);
        await harness.start(0);
        return await time(() => get(harness));
      },
      rows,
    });
    const { body, etag } = await get(harness);
    const echo = await startYardstick(body);
    const file = () => fetchText(`${echo.url}/file`, { rejectUnauthorized: false });
    await file();
    const warm = await alternate(ROUNDS, {
      kept: () => time(() => get(harness)),
      file: () => time(file),
      unchanged: () => time(() => get(harness, etag)),
    });
    await echo.close();
    console.log(`  ${NODES} nodes, a body of ${(body.length / 1e6).toFixed(1)} MB`);
    show('cold: first request of a daemon just started', cold.inventory, 'ms');
    show('the same columns, one query by node-postgres', cold.rows, 'ms');
    showRatio('cold / rows', cold.inventory, cold.rows);
    show('kept body', warm.kept, 'ms');
    show('304', warm.unchanged, 'ms');
    show('static body of the same stack', warm.file, 'ms');
    showRatio('kept / static', warm.kept, warm.file);
    showRatio('304 / static', warm.unchanged, warm.file);
  } finally {
    await client.end();
    await db.destroy();
    await harness.close();
  }
}

const fill = `
  insert into site (name) values ('fra1');
  insert into rack (site, name, height) select 'fra1', 'r' || i, 48 from generate_series(0, 249) as i;
  insert into role (name) select 'role' || i from generate_series(0, 9) as i;
  insert into node (state, level, hardware) select 'active', 'approved', '{}' from generate_series(1, ${NODES});
  insert into node_now (node, observed, hashes, observed_at, boot_id, generation, fqdn, site, rack, unit, role, tags, model, serial, macs, reachable)
    select id, jsonb_build_object('network', jsonb_build_object('interfaces', jsonb_build_object('eno1',
        jsonb_build_object('up', true, 'addresses', jsonb_build_array('10.' || i / 65536 || '.' || i / 256 % 256 || '.' || i % 256 || '/16'))))),
      '{}', now(), 'b', 1, 'node' || i || '.example.net', 'fra1', 'r' || i % 250, 1 + i / 250, 'role' || i % 10, array['t' || i % 5], 'PowerEdge R650',
      'S' || i, array['52:54:00:' || lpad(to_hex(i / 256), 2, '0') || ':' || lpad(to_hex(i % 256), 2, '0') || ':00'], true
    from (select id, row_number() over (order by id) as i from node) as numbered;
  insert into heartbeat (node, at, lease_ms, boot_id, seq, version) select id, now(), 3600000, 'b', 1, '0.1.0' from node`;

async function get(harness: Harness, etag?: string): Promise<{ body: string; etag: string }> {
  const { connection, url } = harness.daemons[0];
  const headers = {
    authorization: `Bearer ${connection.token}`,
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
  };
  return await fetchText(`${url}/v1/ansible/inventory`, { headers, ca: connection.ca, servername: 'machinedb' });
}

const keepAlive = new https.Agent({ keepAlive: true });

async function fetchText(url: string, options: https.RequestOptions): Promise<{ body: string; etag: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ body: string; etag: string }>();
  https
    .get(url, { agent: keepAlive, ...options }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        if (incoming.statusCode === 200 || incoming.statusCode === 304)
          resolve({ body, etag: incoming.headers.etag ?? '' });
        else reject(new Error(`${url} answered ${incoming.statusCode}: ${body.slice(0, 200)}`));
      });
    })
    .on('error', reject);
  return await promise;
}
