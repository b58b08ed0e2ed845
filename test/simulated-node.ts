import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import type { Enrolled } from '../agent/client/enrolment.ts';
import {
  type ClaimedHardware,
  type Identity,
  makeAssertion,
  makeClaim,
  openIdentity,
  signText,
} from '../agent/client/identity.ts';
import { ApiError } from '../shared/client.ts';
import { formatOrder, saidText } from '../shared/said-text.ts';
import type { DaemonProcess } from './harness.ts';

/** Where a node speaks: a daemon, or a relay before it. */
export type Door = Pick<DaemonProcess, 'url' | 'connection'>;

/** A machine that speaks the agent's protocol, without being one: hundreds of them fit in a test. */
export interface SimulatedNode {
  identity: Identity;
  hardware: ClaimedHardware;
  enrol(daemon: Door, joinToken?: string): Promise<Enrolled>;
  /** Reports sections by the next number; `node` and a token are had when absent. */
  report(daemon: Door, sections: Record<string, unknown>): Promise<{ hashes: Record<string, string> }>;
  token(daemon: Door): Promise<string>;
  /** Generation of the state that is wanted of it now. */
  wanted(daemon: Door): Promise<number>;
  /** Tells what became of its wanted state, signed as the agent signs it. */
  applied(
    daemon: Door,
    outcome: { generation: number; outcome: string; steps: string[]; reason?: string },
  ): Promise<object>;
  /** Begins another boot: it has no token any more, and its numbers begin anew. */
  reboot(): void;
  /** Drops its token, as an agent does whose session was ended: the next is had by a new assertion. */
  forget(): void;
  /** Of the boot that it is in. */
  bootId(): string;
  node: string | undefined;
}

const keepAlive = new https.Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a request to a daemon as a node does; throws ApiError for all but 2xx. */
export async function request<Reply>(
  daemon: Door,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const outgoing = https.request(
    new URL(path, daemon.url),
    { method, headers, agent: keepAlive, ca: daemon.connection.ca, servername: 'machinedb', timeout: 20_000 },
    (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const status = incoming.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(JSON.parse(text) as Reply);
        else reject(new ApiError(status, text.slice(0, 200), text));
      });
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
  outgoing.on('error', reject);
  outgoing.end(body);
  return await promise;
}

/** @param directory where its key is kept for the time of the test */
export function simulateNode(directory: string, index: number): SimulatedNode {
  const hex = index.toString(16).padStart(6, '0');
  const hardware = { serial: `SIM-${index}`, vendor: 'Simulated', macs: [`52:54:00:${hex.match(/../g)!.join(':')}`] };
  const state = mkdtempSync(join(directory, 'node-'));
  const identity = openIdentity(state, hardware);
  rmSync(state, { recursive: true });
  return simulate(identity, hardware, `boot-${index}`);
}

/** A machine with this key and hardware. @param boot id of its first boot; of a later one with the boot's number behind it */
export function simulate(identity: Identity, hardware: ClaimedHardware, boot: string): SimulatedNode {
  let token: string | undefined;
  let seq = 0;
  let boots = 0;
  const bootId = () => `${boot}${boots === 0 ? '' : `-${boots}`}`;
  const node: SimulatedNode = {
    identity,
    hardware,
    node: undefined,
    async enrol(daemon, joinToken) {
      const { nonce } = await request<{ nonce: string }>(daemon, 'POST', '/v1/nonce');
      const claim = makeClaim(identity, { nonce, hardware, bootId: bootId(), joinToken });
      const enrolled = await request<Enrolled>(daemon, 'POST', '/v1/enrol', JSON.stringify(claim));
      node.node = enrolled.node;
      return enrolled;
    },
    async token(daemon) {
      if (token !== undefined) return token;
      const { nonce } = await request<{ nonce: string }>(daemon, 'POST', '/v1/nonce');
      const reply = await request<{ access_token: string }>(
        daemon,
        'POST',
        '/v1/token',
        JSON.stringify({
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: makeAssertion(identity, node.node!, nonce),
        }),
      );
      token = reply.access_token;
      return token;
    },
    async report(daemon, sections) {
      seq += 1;
      const body = JSON.stringify({ boot_id: bootId(), seq, version: '0.1.0', sections });
      return await request(daemon, 'PUT', '/v1/self/observed', body, {
        authorization: `Bearer ${await node.token(daemon)}`,
        'machinedb-signature': signText(identity, `machinedb-report\n${body}`),
      });
    },
    async wanted(daemon) {
      const headers = { authorization: `Bearer ${await node.token(daemon)}` };
      return (await request<{ generation: number }>(daemon, 'GET', '/v1/self/wanted', undefined, headers)).generation;
    },
    async applied(daemon, outcome) {
      seq += 1;
      const [path, body, order] = ['/v1/self/applied', JSON.stringify(outcome), { boot_id: bootId(), n: seq }];
      return await request(daemon, 'PUT', path, body, {
        authorization: `Bearer ${await node.token(daemon)}`,
        'machinedb-said': formatOrder(order),
        'machinedb-signature': signText(identity, saidText('PUT', path, order, body)),
      });
    },
    reboot() {
      boots += 1;
      seq = 0;
      token = undefined;
    },
    forget() {
      token = undefined;
    },
    bootId,
  };
  return node;
}
