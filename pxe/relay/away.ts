import { installRows } from '../../shared/api/install.ts';
import type { RelayNode, RelaySaid } from '../../shared/api/relay.ts';
import { hashOf } from '../../shared/hash.ts';
import { isSignedBy } from '../../shared/node-signature.ts';
import type { RequestHead } from '../../shared/relay-frame.ts';
import { parseOrder, saidText } from '../../shared/said-text.ts';
import { judgeClaim } from './claims.ts';
import type { Installs } from './installs.ts';
import type { Known } from './known.ts';
import type { Reply } from './link.ts';
import { PASS_LIFE, Passes } from './passes.ts';
import { type Queue, QueueFull } from './queue.ts';
import type { WantedCache } from './wanted-cache.ts';

/** Seconds after which something is asked for again that only the centre can answer. */
const AGAIN_S = 30;

export interface AwayOptions {
  known: Known;
  queue: Queue;
  installs: Installs;
  wanted: WantedCache;
  /** Time between two heartbeats of a node, milliseconds. */
  heartbeatMs: number;
  now: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
}

/**
 * What the relay answers agents while the centre is away: it knows their keys, so they prove to it who they are; what they tell,
 * signed, is queued; what is wanted of them they get as the centre signed it. All else waits for the centre.
 */
export class AwayAnswers {
  readonly #options: AwayOptions;
  readonly #passes: Passes;
  /** Node → section → hash of what it reported here. Forgotten when the centre is back. */
  readonly #hashes = new Map<string, Record<string, string>>();

  constructor(options: AwayOptions) {
    this.#options = options;
    this.#passes = new Passes(options.now);
  }

  /** Whether what waited is being delivered: nothing more is queued then, or a busy rack would never come to its end. */
  delivering = false;

  /** The centre is back: what nodes told is its to know now. */
  forget(): void {
    this.delivering = false;
    this.#hashes.clear();
    this.#options.installs.forget();
  }

  /** The node whose pass the header carries. */
  holder(header: string | undefined): RelayNode | undefined {
    return this.#passes.holder(header, (id) => this.#options.known.node(id));
  }

  async answer({ method, path, headers }: RequestHead, body: Buffer): Promise<Reply> {
    const line = `${method} ${path}`;
    const { known, wanted } = this.#options;
    const trust = known.self?.trust;
    if (trust === undefined) return waiting();
    if (line === 'POST /v1/nonce') return json(200, { nonce: this.#passes.nonce(), expires_in: 300 });
    if (line === 'POST /v1/token') return this.#token(body);
    if (line === 'POST /v1/enrol') return await this.#enrol(body);
    if (!path.startsWith('/v1/self')) return waiting();
    const node = this.holder(headers.authorization);
    if (node === undefined) return problem(401, 'unauthenticated', 'the centre is away: take a new token from here');
    if (line === 'GET /v1/self') {
      const { level } = node;
      return json(200, { node: node.node, state: '', level, hashes: this.#hashes.get(node.node) ?? {}, generation: 0 });
    }
    if (line === 'POST /v1/self/heartbeat') return json(200, await this.beat(node, body.toString('utf8')));
    if (line === 'PUT /v1/self/observed') return await this.#observed(node, headers, body);
    if (!isTrusted(node.level)) return problem(403, 'forbidden', 'this needs an approved node');
    if (line === 'PUT /v1/self/applied')
      return (await this.#said(node, '/v1/self/applied', headers, body)) ?? json(200, {});
    if (line === 'GET /v1/self/install') return json(200, { install: this.#order(node) });
    if (line === 'PUT /v1/self/install') return await this.#install(node, headers, body);
    if (line === 'POST /v1/self/slot')
      return json(200, { go: false, reason: 'the centre is away: nothing new is applied until it is back' });
    if (line === 'GET /v1/self/wanted') {
      const signed = await wanted.get(node.node, trust);
      return signed === undefined
        ? problem(404, 'not_found', 'nothing is wanted of this node here')
        : json(200, signed);
    }
    return waiting();
  }

  /**
   * The answer to a heartbeat. Nothing is asked of a node that only the centre could take; what is wanted of it waits here for one
   * that has less, as after an install.
   *
   * @param text the heartbeat, JSON
   */
  async beat(node: RelayNode, text: string): Promise<object> {
    const { heartbeatMs, random } = this.#options;
    const lease_ms = 3 * heartbeatMs + 15_000;
    const want = (await this.#hasNewer(node, generationOf(text))) ? ['wanted'] : [];
    return { next_in_ms: Math.round(heartbeatMs * (0.8 + 0.4 * random())), lease_ms, want };
  }

  async #hasNewer({ node, level }: RelayNode, generation: number): Promise<boolean> {
    const { known, wanted } = this.#options;
    const trust = known.self?.trust;
    if (trust === undefined || !isTrusted(level)) return false;
    const signed = await wanted.get(node, trust);
    return signed !== undefined && signed.generation > generation;
  }

  #token(body: Buffer): Reply {
    const { known } = this.#options;
    try {
      const { client_assertion } = JSON.parse(body.toString('utf8')) as { client_assertion: string };
      const token = this.#passes.exchange(String(client_assertion), (id) => known.node(id));
      // The centre may know the key: the node must not take itself for a stranger.
      if (token === undefined) return waiting();
      const { trust, trust_signatures } = known.self!;
      const expires_in = PASS_LIFE / 1000;
      return json(200, { access_token: token, token_type: 'Bearer', expires_in, trust, trust_signatures });
    } catch (error) {
      return problem(401, 'unauthenticated', (error as Error).message);
    }
  }

  async #observed(node: RelayNode, headers: RequestHead['headers'], body: Buffer): Promise<Reply> {
    const text = body.toString('utf8');
    const sections = sectionsOf(text);
    if (sections === undefined) return problem(400, 'invalid', 'the report is not JSON with sections');
    const said = { node: node.node, method: 'PUT', path: '/v1/self/observed', body: text } as const;
    const refused = await this.#queue(node, { ...said, signature: signatureOf(headers) }, `machinedb-report\n${text}`);
    if (refused !== undefined) return refused;
    const hashes = { ...this.#hashes.get(node.node) };
    for (const [name, data] of Object.entries(sections)) {
      if (data === null) delete hashes[name];
      else hashes[name] = hashOf(data);
    }
    this.#hashes.set(node.node, hashes);
    return json(200, { hashes, rejected: {} });
  }

  /** Queues a word of a node. Undefined: it is on the disk. */
  async #said(
    node: RelayNode,
    path: '/v1/self/applied' | '/v1/self/install',
    headers: RequestHead['headers'],
    body: Buffer,
  ): Promise<Reply | undefined> {
    const text = body.toString('utf8');
    const order = headers['machinedb-said'];
    const parsed = parseOrder(order);
    if (order === undefined || parsed === undefined) return waiting();
    const said = { node: node.node, method: 'PUT', path, body: text, order } as const;
    const signed = saidText(said.method, said.path, parsed, text);
    return await this.#queue(node, { ...said, signature: signatureOf(headers) }, signed);
  }

  async #enrol(body: Buffer): Promise<Reply> {
    try {
      const taken = judgeClaim(body, this.#options.known, (nonce) => this.#passes.isNonce(nonce));
      if (taken === undefined) return waiting();
      const { said, answer } = taken;
      return (said && (await this.#put(said))) ?? json(200, answer);
    } catch (error) {
      return problem(401, 'unauthenticated', (error as Error).message);
    }
  }

  /** What the centre said last that a person had asked for, with the image that it has signed. */
  #order({ install }: RelayNode): object | undefined {
    if (install === undefined) return undefined;
    const { after: _, image: name, ...order } = install;
    const image = this.#options.known.self?.images.find(({ manifest }) => manifest.name === name);
    return image && { ...order, image };
  }

  async #install(node: RelayNode, headers: RequestHead['headers'], body: Buffer): Promise<Reply> {
    const told = installTold.safeParse(jsonOf(body.toString('utf8')));
    if (!told.success) return problem(400, 'invalid', 'the word is not of an install');
    if (told.data.generation !== node.install?.generation) return json(200, { proceed: false });
    // How far it was is no news when the centre hears of it.
    if (told.data.phase === 'writing') return json(200, { proceed: true });
    return (await this.#said(node, '/v1/self/install', headers, body)) ?? json(200, { proceed: true });
  }

  /** Undefined: it is on the disk. */
  async #queue(node: RelayNode, said: RelaySaid, text: string): Promise<Reply | undefined> {
    const signature = Buffer.from(said.signature, 'base64');
    const signed = node.keys.some(({ kind, public_key }) =>
      isSignedBy(Buffer.from(public_key, 'base64'), kind, text, signature),
    );
    if (!signed) return problem(401, 'unauthenticated', "Machinedb-Signature is not the node's signature over this");
    return await this.#put(said);
  }

  async #put(said: RelaySaid): Promise<Reply | undefined> {
    if (this.delivering) return problem(503, 'unavailable', 'the centre is back, and what waited goes first', 1);
    try {
      await this.#options.queue.put(said);
      this.#options.installs.note(said);
      return undefined;
    } catch (error) {
      if (error instanceof QueueFull) return problem(503, 'unavailable', error.message, AGAIN_S);
      throw error;
    }
  }
}

const installTold = installRows.putSelfInstall.body;

const isTrusted = (level: string) => level === 'approved' || level === 'attested';

/** The generation that a heartbeat tells; what is no heartbeat has all there is. */
function generationOf(text: string): number {
  const { generation } = (jsonOf(text) ?? {}) as { generation?: unknown };
  return typeof generation === 'number' ? generation : Number.POSITIVE_INFINITY;
}

/** Undefined: it is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const signatureOf = (headers: RequestHead['headers']) => headers['machinedb-signature'] ?? '';

function sectionsOf(text: string): Record<string, unknown> | undefined {
  const { sections } = (jsonOf(text) ?? {}) as { sections?: unknown };
  return sections !== null && typeof sections === 'object' ? (sections as Record<string, unknown>) : undefined;
}

function waiting(): Reply {
  return problem(503, 'unavailable', 'the centre is away, and only it can answer this', AGAIN_S);
}

function json(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) };
}

/** An answer in the form of the service's own (RFC 9457). */
export function problem(status: number, code: string, detail: string, retryAfterS?: number): Reply {
  const body = JSON.stringify({ type: `urn:machinedb:problem:${code}`, title: detail, status, detail });
  const headers = {
    'content-type': 'application/problem+json',
    ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
  };
  return { status, headers, body: Buffer.from(body) };
}
