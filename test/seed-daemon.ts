import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { tlsOptions } from '../machinedb/cli/connect.ts';
import { startHarness } from './harness.ts';
import { request, type SimulatedNode, simulateNode } from './simulated-node.ts';

export interface Answer {
  status: number;
  text: string;
}

/** Daemons whose seeds are asked for, by nodes of the loopback network. */
export async function startSeedDaemon() {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-seed-'));
  const harness = await startHarness();
  const [one] = harness.daemons;
  const database = new pg.Client({ connectionString: harness.databaseUrl });
  await database.connect();
  let made = 0;

  /** Asks a daemon as a machine at an address of the loopback network does. */
  async function ask(
    path: string,
    { from = '127.0.0.1', headers = {}, body }: { from?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const method = body === undefined ? 'GET' : 'POST';
    const options = { method, agent: false, localAddress: from, ...tlsOptions(one.connection), headers };
    const outgoing = https.request(new URL(path, one.url), options, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode!, text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
    return await promise;
  }

  /** A machine that nobody has approved. */
  const stranger = () => simulateNode(directory, ++made);

  /** An approved node that is called by a name and reports an address. */
  async function node(hostname: string, address: string): Promise<SimulatedNode & { node: string }> {
    const simulated = stranger();
    const { node: id, fingerprint } = await simulated.enrol(one);
    await harness.call('approveNode', { params: { node: id }, body: { fingerprint, reason: 'test' } });
    const interfaces = { eth0: { mac: '52:54:00:00:00:01', addresses: { [`${address}/8`]: {} } } };
    await simulated.report(one, { network: { interfaces }, nics: {} });
    await intend(id, 'hostname', { hostname, domain: 'example.org' });
    return Object.assign(simulated, { node: id });
  }

  async function intend(id: string, section: 'hostname' | 'cloud_init', body: Record<string, unknown>): Promise<void> {
    await harness
      .call('putNodeIntent', { params: { node: id, section }, body }, { ifMatch: '*' })
      .catch(async () => await harness.call('putNodeIntent', { params: { node: id, section }, body }));
  }

  /** A token for a node's seed, as its agent gets it. */
  async function open(simulated: SimulatedNode, boot_id = 'boot-a'): Promise<string> {
    const authorization = `Bearer ${await simulated.token(one)}`;
    const body = JSON.stringify({ boot_id });
    return (await request<{ token: string }>(one, 'POST', '/v1/self/seed', body, { authorization })).token;
  }

  const events = async (id: string, kind: string) =>
    (await database.query('select data from event where subject = $1 and kind = $2', [`node/${id}`, kind])).rows;

  async function close(): Promise<void> {
    await database.end();
    await harness.close();
    rmSync(directory, { recursive: true, force: true });
  }
  return { directory, harness, one, database, ask, stranger, node, intend, open, events, close };
}

/** The document meta-data of a node that was never installed. */
export const meta = (id: string, name: string) => `instance-id: "${id}-0"\nlocal-hostname: "${name}.example.org"\n`;
