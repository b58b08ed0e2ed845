import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeClaim } from '../../agent/client/identity.ts';
import { startHarness } from '../harness.ts';
import { simulateNode } from '../simulated-node.ts';
import { alternate, each, show, showRatio, time } from './measure.ts';

const AT_ONCE = 8;
const ROUNDS = 3;
const CLAIMS = 400;

/**
 * Registrations by POST /v1/enrol, keys and signatures made before, against the SQL statements of one alone by pgbench: those that come at
 * once share them.
 */
export async function registrations(): Promise<void> {
  const pgbench = globSync('/usr/lib/postgresql/*/bin/pgbench').find((file) => existsSync(file));
  if (pgbench === undefined) {
    console.log('  pgbench is not installed: apt-get install postgresql');
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  const harness = await startHarness({ environment: { MACHINEDB_NONCE_LIFE_MS: '3600000' } });
  try {
    const { url, connection } = harness.daemons[0];
    const claims: string[] = [];
    for (let i = 0; i < CLAIMS * ROUNDS; i++) {
      const { identity, hardware } = simulateNode(directory, i);
      const { nonce } = await harness.call('getNonce', {});
      claims.push(JSON.stringify(makeClaim(identity, { nonce, hardware, bootId: 'b' })));
    }
    const agent = new https.Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const enrol = async (claim: string, index: number) => {
      // Eight sources, as eight machines are: a source's number of waiting machines is limited.
      const localAddress = `127.0.0.${2 + (index % AT_ONCE)}`;
      await post(`${url}/v1/enrol`, claim, { agent, ca: connection.ca, servername: 'machinedb', localAddress });
    };
    const script = join(import.meta.dirname, 'enrolment.sql');
    const rates = await alternate(ROUNDS, {
      enrol: async (round) => {
        const mine = claims.slice(round * CLAIMS, (round + 1) * CLAIMS);
        return (CLAIMS * 1000) / (await time(() => each(mine, AT_ONCE, enrol)));
      },
      pgbench: async () => {
        const args = ['-n', '-M', 'simple', '-c', `${AT_ONCE}`, '-t', `${CLAIMS / AT_ONCE}`, '-f', script];
        const { stdout, stderr } = spawnSync(pgbench, [...args, harness.databaseUrl], { encoding: 'utf8' });
        const rate = /tps = ([\d.]+)/.exec(stdout)?.[1];
        if (rate === undefined || / aborted/.test(stderr)) throw new Error(`pgbench: ${stderr}`);
        return Number(rate);
      },
    });
    show(`registrations, ${AT_ONCE} at once, TLS`, rates.enrol, '/s');
    show(`the statements of one alone by pgbench, ${AT_ONCE} clients`, rates.pgbench, '/s');
    showRatio('registrations / pgbench', rates.enrol, rates.pgbench);
  } finally {
    await harness.close();
    rmSync(directory, { recursive: true });
  }
}

async function post(url: string, body: string, options: https.RequestOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const outgoing = https.request(url, { method: 'POST', ...options }, (incoming) => {
    incoming.resume().on('end', () => {
      if (incoming.statusCode === 200) resolve();
      else reject(new Error(`POST ${url} answered ${incoming.statusCode}`));
    });
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  await promise;
}
