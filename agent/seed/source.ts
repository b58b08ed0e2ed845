import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../client/clock.ts';
import { fetchToken } from '../client/enrolment.ts';
import { type HttpRequest, type Server, ServerError, send, sendForText } from '../client/http.ts';
import { keptIdentity } from '../client/identity.ts';
import { openTrust } from '../client/trust-store.ts';
import { writeDurably } from '../durable-file.ts';

export interface SeedSourceOptions {
  /** The agent's state directory: its identity and its trust. */
  state: string;
  url: URL;
  /** Pins of the CAs trusted at the start, hexadecimal. */
  pins: readonly string[];
  clock: Clock;
  /** Distinguishes this boot. */
  bootId: string;
}

/** What the server has for cloud-init on this node. */
export interface SeedSource {
  /** Sends a request for `path` of this node's seed, over the pinned connection. Throws ServerError. */
  ask(request: Pick<HttpRequest, 'method' | 'body' | 'headers'>, path: string): Promise<string>;
  /** A document; while the server is away the one of the last time. Throws ServerError. */
  document(name: string): Promise<string>;
}

/** An answer must come while cloud-init still waits for it. */
const TIMEOUT_MS = 10_000;

export function seedSource({ state, url, pins, clock, bootId }: SeedSourceOptions): SeedSource {
  const trust = openTrust(state, pins);
  const server: Server = { url, pins: () => trust.pins(), clock, timeoutMs: TIMEOUT_MS };
  let token: { value: string; renewAt: number } | undefined;
  const freshToken = async () => {
    if (token !== undefined && clock() < token.renewAt) return token.value;
    const identity = keptIdentity(state);
    if (identity?.node === undefined) throw new ServerError(0, '', 'this machine is not enrolled yet');
    const own = await fetchToken(server, identity, identity.node);
    if (own === undefined) throw new ServerError(401, '', 'the server does not know the key of this node');
    const body = JSON.stringify({ boot_id: bootId });
    const request = { method: 'POST', path: '/v1/self/seed', token: own.value, body } as const;
    const reply = await send<{ token: string; expires_in: number }>(server, request);
    token = { value: reply.token, renewAt: clock() + reply.expires_in * 800 };
    return token.value;
  };
  const ask: SeedSource['ask'] = async (request, path) => {
    try {
      return await sendForText(server, { ...request, path: `/seed/${await freshToken()}/${path}` });
    } catch (error) {
      // Whatever it was, the next one begins anew: a token may be void before its time.
      if (error instanceof ServerError && error.status === 401) token = undefined;
      throw error;
    }
  };
  return {
    ask,
    async document(name) {
      const kept = readKept(state);
      try {
        const text = await ask({ method: 'GET' }, name);
        if (kept[name] !== text) writeDurably(fileIn(state), JSON.stringify({ ...kept, [name]: text }), 0o600);
        return text;
      } catch (error) {
        // Without any, cloud-init would take the machine for another one, and make its host keys anew.
        const away = error instanceof ServerError && (error.status === 0 || error.status >= 500);
        if (away && kept[name] !== undefined) return kept[name];
        throw error;
      }
    },
  };
}

const fileIn = (state: string) => join(state, 'seed.json');

function readKept(state: string): Record<string, string | undefined> {
  try {
    return JSON.parse(readFileSync(fileIn(state), 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}
