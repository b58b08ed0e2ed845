import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonProcess } from '../harness.ts';

/** Writers by the API, of which each goes on with a write until it is acknowledged. */
export interface Load {
  /** Names of sites that were acknowledged. */
  sites: string[];
  /** Names of tokens that were acknowledged: a write that would make another one if it were done twice. */
  tokens: string[];
  /** What was answered instead of 200: "503 retry-after" → how often. */
  refusals: Map<string, number>;
  /** When the write began that was acknowledged last (milliseconds, performance.now()). */
  newest: () => number;
  stop(): Promise<void>;
}

const keepAlive = new https.Agent({ keepAlive: true, maxSockets: 64 });

/** Writes with `writers` at once, each write to another of the daemons than the one before. */
export function startLoad(daemons: DaemonProcess[], writers: number): Load {
  const [sites, tokens, refusals]: [string[], string[], Map<string, number>] = [[], [], new Map()];
  let newest = 0;
  let stopped = false;
  let turn = 0;
  const write = async (method: string, path: string, body: object): Promise<boolean> => {
    const key = crypto.randomUUID();
    while (!stopped) {
      const begun = performance.now();
      const { status, retryAfter } = await send(daemons[turn++ % daemons.length]!, method, path, body, key);
      if (status === 200) {
        newest = Math.max(newest, begun);
        return true;
      }
      const what = `${status}${retryAfter === undefined ? '' : ' retry-after'}`;
      refusals.set(what, (refusals.get(what) ?? 0) + 1);
      await sleep(200 + 300 * Math.random());
    }
    return false;
  };
  const writer = async (w: number) => {
    for (let n = 0; !stopped; n++) {
      const name = `f-${w}-${n}`;
      if (n % 10 === 9) {
        if (await write('POST', '/v1/tokens', { name, scopes: ['read'] })) tokens.push(name);
      } else if (await write('PUT', `/v1/sites/${name}`, { description: name })) sites.push(name);
    }
  };
  const ended = Promise.all(Array.from({ length: writers }, (_, w) => writer(w)));
  return {
    ...{ sites, tokens, refusals },
    newest: () => newest,
    async stop() {
      stopped = true;
      await ended;
    },
  };
}

function send(
  { url, connection }: DaemonProcess,
  method: string,
  path: string,
  body: object,
  key: string,
): Promise<{ status: number; retryAfter?: string | undefined }> {
  const { promise, resolve } = Promise.withResolvers<{ status: number; retryAfter?: string | undefined }>();
  const headers = { authorization: `Bearer ${connection.token}`, 'idempotency-key': key };
  const request = https.request(
    new URL(path, url),
    { method, headers, agent: keepAlive, ca: connection.ca, servername: 'machinedb', timeout: 60_000 },
    (answer) => {
      answer.resume();
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] }));
      answer.on('error', () => resolve({ status: 0 }));
    },
  );
  request.on('timeout', () => request.destroy());
  request.on('error', () => resolve({ status: 0 }));
  request.end(JSON.stringify(body));
  return promise;
}
