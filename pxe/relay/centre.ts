import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { type RelayNode, type RelaySaid, type RelaySelf, relayNode, relaySelf } from '../../shared/api/relay.ts';
import { type BootAnswer, type BootRequest, bootAnswer } from '../../shared/boot.ts';
import { queryOf } from '../../shared/client.ts';
import { Away, type Link, type Reply } from './link.ts';

const PAGE = 500;
/** A machine that boots waits for the answer: what is known here is better than a late one. */
const BOOT_MS = 5_000;
const SILENCE_MS = 30_000;

const nodesPage = z.object({ items: z.array(relayNode), next: z.string().optional() });
const certified = z.object({ certificate: z.string(), valid_s: z.int() });

/** The relay's own questions to the centre. Each throws Away when there is no answer, or an Error with what was answered instead. */
export class Centre {
  readonly #link: Link;
  readonly #token: string;

  constructor(link: Link, token: string) {
    this.#link = link;
    this.#token = token;
  }

  async self(): Promise<RelaySelf> {
    return relaySelf.parse(await this.#ask('GET', '/v1/relay'));
  }

  async nodes(): Promise<RelayNode[]> {
    const nodes: RelayNode[] = [];
    for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
      const query = queryOf({ limit: PAGE, cursor });
      const { items, next } = nodesPage.parse(await this.#ask('GET', `/v1/relay/nodes${query}`));
      nodes.push(...items);
      cursor = next;
    }
    return nodes;
  }

  async boot(request: BootRequest): Promise<BootAnswer> {
    const query = queryOf(request);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Away('the centre is slow')), BOOT_MS);
    try {
      return bootAnswer.parse(await Promise.race([this.#ask('GET', `/v1/relay/boot${query}`), late.promise]));
    } finally {
      clearTimeout(timer);
    }
  }

  async certify(publicKey: Buffer, names: string[]): Promise<{ certificate: string; valid_s: number }> {
    const body = { public_key: publicKey.toString('base64'), names };
    return certified.parse(await this.#ask('POST', '/v1/relay/certificate', body));
  }

  /** Delivers what a node said. Answers why the centre will never take it; undefined: it took it. */
  async deliver(said: RelaySaid): Promise<string | undefined> {
    const reply = await this.#request('PUT', '/v1/relay/said', said);
    if (reply.status === 200) return undefined;
    if (reply.status >= 500 || reply.status === 429) throw new Away(refusalOf(reply));
    return refusalOf(reply);
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const reply = await this.#request(method, path, body);
    if (reply.status !== 200) throw new Error(`${method} ${path.split('?')[0]}: ${refusalOf(reply)}`);
    return JSON.parse(reply.body.toString('utf8')) as unknown;
  }

  async #request(method: string, path: string, body?: object): Promise<Reply> {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    return await this.#link.request({ method, path, headers, remote: '' }, bytes);
  }
}

function refusalOf({ status, body }: Reply): string {
  try {
    return `HTTP ${status}, ${(JSON.parse(body.toString('utf8')) as { detail: string }).detail}`;
  } catch {
    return `HTTP ${status}`;
  }
}

/**
 * The bytes of a file of an image. They come on a connection of their own, so that no heartbeat waits behind an image.
 *
 * @param upstream https://CENTRE:PORT
 */
export async function fetchFile(
  upstream: URL,
  token: string,
  ca: string | undefined,
  sha256: string,
): Promise<Readable> {
  const { promise, resolve, reject } = Promise.withResolvers<Readable>();
  const tls = ca === undefined ? {} : { ca, servername: 'machinedb', minVersion: 'TLSv1.3' as const };
  const request = (upstream.protocol === 'https:' ? https : http).get(
    new URL(`/v1/relay/files/${sha256}`, upstream),
    { headers: { authorization: `Bearer ${token}` }, agent: false, timeout: SILENCE_MS, ...tls },
    (response) => {
      if (response.statusCode === 200) return resolve(response);
      response.destroy();
      reject(new Error(`the centre answers HTTP ${response.statusCode} to a request for ${sha256}`));
    },
  );
  request.on('timeout', () => request.destroy(new Error(`the centre was silent for ${SILENCE_MS / 1000} s`)));
  request.on('error', reject);
  return await promise;
}
