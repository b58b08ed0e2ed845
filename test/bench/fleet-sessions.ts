import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { tlsOptions } from '../../machinedb/cli/connect.ts';
import { makeNodeToken } from '../../machinedb/trust/node-token.ts';
import { identityOf } from '../fleet/identity.ts';
import type { DaemonProcess, Harness } from '../harness.ts';
import { idOf, type Seeded } from './fleet-seed.ts';
import { each, show, time } from './measure.ts';
import { memoryOf, processorTime } from './processor.ts';

const SESSIONS = 500;
/** Beats a second of 100,000 nodes, each every 30 s. */
const BEATS = 3333;
const SECONDS = 10;

/** Sessions of nodes of the fleet: what an idle one costs, and what heartbeats at the rate of 100,000 nodes do. */
export async function fleetSessions(harness: Harness, { db, keys }: Seeded): Promise<void> {
  const nodes = Array.from({ length: SESSIONS }, (_, i) => ({ ...identityOf('bench', i), node: idOf(i) }));
  for (const { node, fingerprint, publicKey } of nodes)
    await db
      .insertInto('node_key')
      .values({ fingerprint, node, kind: 'ed25519', public_key: publicKey, status: 'current' })
      .execute();
  const tokens = nodes.map(({ node, fingerprint }) =>
    makeNodeToken(keys, { node, fingerprint, expiresAt: Date.now() + 3_600_000 }),
  );
  const idle = async (daemon: DaemonProcess, label: string) => {
    const before = memoryOf(daemon.process.pid!);
    const sockets: WebSocket[] = [];
    await each(tokens, 8, async (token) => {
      sockets.push(await open(daemon, token));
    });
    await sleep(3000);
    show(`memory per idle session, ${label}`, [(memoryOf(daemon.process.pid!) - before) / SESSIONS / 1000], 'kB');
    return sockets;
  };
  const sockets = await idle(harness.daemons[0], 'TLS');
  await paced(harness.daemons[0], sockets);
  await harness.kill(1);
  await harness.start(1, { MACHINEDB_TLS: 'off' });
  for (const socket of await idle(harness.daemons[1], 'plain')) socket.terminate();
  await harness.kill(1);
  await harness.start(1);
}

async function open({ url, connection }: DaemonProcess, token: string): Promise<WebSocket> {
  const headers = { authorization: `Bearer ${token}` };
  const options = { headers, perMessageDeflate: false, ...tlsOptions(connection) };
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/self/session`, options);
  await once(socket, 'open');
  return socket;
}

/** The processor time is the daemon's, for each heartbeat until it was answered: what other work takes changes nothing in it. */
async function paced(daemon: DaemonProcess, sockets: WebSocket[]): Promise<void> {
  const beat = JSON.stringify({ boot_id: 'seed', seq: 2, facts: '', generation: 1, version: '0.1.0' });
  let answered = 0;
  for (const socket of sockets) socket.on('message', () => answered++);
  const pid = daemon.process.pid!;
  const before = processorTime(pid);
  let sent = 0;
  const ms = await time(async () => {
    for (let start = performance.now(); sent < BEATS * SECONDS; await sleep(10))
      for (const due = ((performance.now() - start) * BEATS) / 1000; sent < due; sent++)
        sockets[sent % sockets.length]!.send(beat);
  });
  const late = await time(async () => {
    while (answered < sent && sockets.every(({ readyState }) => readyState === WebSocket.OPEN)) await sleep(10);
  });
  if (answered < sent) throw new Error(`of ${sent} heartbeats ${answered} were answered: a session was ended`);
  const used = ((processorTime(pid) - before) / sent) * (BEATS / 1000);
  console.log(
    `  heartbeats at ${((sent * 1000) / ms).toFixed(0)}/s: at 3,333/s the daemon uses ${(used * 50).toFixed(0)} % of two cores (aim 25), last answer after ${late.toFixed(0)} ms`,
  );
  for (const socket of sockets) socket.terminate();
}
