import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import type { RequestHead } from '../../shared/relay-frame.ts';
import { AwayAnswers } from './away.ts';
import { Centre, fetchFile } from './centre.ts';
import { isDue, keptCertificate, obtainCertificate } from './certificate.ts';
import { type Doors, openDoors } from './doors.ts';
import { makeFolder, writeWhole } from './durable.ts';
import { FileCache } from './file-cache.ts';
import { Installs } from './installs.ts';
import { Known } from './known.ts';
import { atTime } from './later.ts';
import { Away, Link, type Reply } from './link.ts';
import type { Relay, RelayOptions } from './options.ts';
import { Queue } from './queue.ts';
import { WantedCache } from './wanted-cache.ts';

const AGAIN_MS = 2_000;
const PREFETCH_MS = 10_000;

/** Starts a rack's relay on its own state directory. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const running = await Running.begin(options);
  return running.relay;
}

class Running {
  readonly #options: RelayOptions;
  readonly #known: Known;
  readonly #queue: Queue;
  readonly #wanted: WantedCache;
  readonly #away: AwayAnswers;
  readonly #link: Link;
  readonly #centre: Centre;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #files: FileCache | undefined;
  #doors: Doors | undefined;
  #ca: string | undefined;
  /** The centre is there and has all that was queued. */
  #here = false;
  /** The centre does not know our credential: nothing is answered in its place. */
  #refused = false;
  #settling: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #prefetching = false;
  relay!: Relay;

  private constructor(options: RelayOptions, queue: Queue) {
    const { directory, upstream, token, log, random, retryMs } = options;
    this.#options = options;
    this.#queue = queue;
    const installs = new Installs();
    for (const said of queue.entries) installs.note(said);
    this.#known = new Known(directory, (node) => installs.over(atTime(node, options.now())));
    this.#wanted = new WantedCache(join(directory, 'wanted'));
    this.#away = new AwayAnswers({ ...options, known: this.#known, queue, installs, wanted: this.#wanted });
    const caFile = join(directory, 'ca.pem');
    this.#ca = options.ca === undefined || !existsSync(caFile) ? options.ca : readFileSync(caFile, 'utf8');
    const url = new URL('/v1/relay/link', upstream);
    url.protocol = url.protocol.replace('http', 'ws');
    let said = '';
    this.#link = new Link({
      ...{ url, token, random, retryMs, ca: () => this.#ca },
      up: () => {
        said = '';
        log.info({ upstream: upstream.origin }, 'the centre is there');
        this.#refused = false;
        this.#settling ??= this.#settle().finally(() => {
          this.#settling = undefined;
        });
      },
      down: ({ cause, refused }) => {
        this.#here = false;
        if (refused !== this.#refused) this.#doors?.endSessions(1012, 'the relay was refused');
        this.#refused = refused;
        if (cause !== said) log.warn({ upstream: upstream.origin, cause, queued: queue.length }, 'the centre is away');
        said = cause;
      },
    });
    this.#centre = new Centre(this.#link, token);
    this.#timer = setInterval(() => {
      if (this.#here)
        void this.#sync().catch((error: Error) => log.warn({ cause: error.message }, 'a look at the site failed'));
    }, options.syncMs);
  }

  static async begin(options: RelayOptions): Promise<Running> {
    const { directory, upstream, token, log } = options;
    makeFolder(directory);
    const running = new Running(options, await Queue.open(directory, options.queueLimit));
    try {
      const files = await FileCache.open({
        directory: join(directory, 'files'),
        limit: options.cacheLimit,
        sizeOf: (sha256) => running.#known.sizeOf(sha256),
        fetch: (sha256) => fetchFile(upstream, token, running.#ca, sha256),
        log,
      });
      running.#files = files;
      const kept = keptCertificate(directory);
      if (kept !== undefined) await running.#open(kept);
      const boot = await options.startBoot({
        decide: (request) => running.#decide(request),
        files: join(directory, 'files'),
        isKnown: async (sha256) => running.#known.sizeOf(sha256) !== undefined,
        origin: files,
        arguments: (url) => [`machinedb.url=${running.#url() ?? ''}`, `machinedb.files=${url}/files`],
      });
      running.relay = {
        bootUrl: boot.url,
        agentsUrl: () => running.#url(),
        opened: running.#opened.promise,
        close: async () => {
          await boot.close();
          await running.#close();
        },
      };
      return running;
    } catch (error) {
      await running.#close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#timer);
    this.#link.close();
    await this.#settling;
    await this.#syncing?.catch(() => undefined);
    await this.#doors?.close();
    await this.#queue.close();
  }

  #url(): string | undefined {
    const { address } = this.#options;
    return this.#doors === undefined
      ? undefined
      : `https://${address.includes(':') ? `[${address}]` : address}:${this.#doors.port}`;
  }

  async #decide(request: BootRequest): Promise<BootAnswer> {
    try {
      const answer = await this.#centre.boot(request);
      this.#known.note(request.mac, answer);
      return answer;
    } catch (error) {
      const answer = this.#known.answer(request.mac);
      if (answer !== undefined) return answer;
      throw new Error(`the centre cannot be asked (${(error as Error).message}), and this relay has never seen it`);
    }
  }

  /** The centre is there again: what it knows is learned, and what was queued is delivered, before any agent passes. */
  async #settle(): Promise<void> {
    const { log } = this.#options;
    while (!this.#closing.signal.aborted) {
      try {
        await this.#sync();
        this.#away.delivering = true;
        await this.#deliver();
        if (!this.#link.isUp) {
          this.#away.delivering = false;
          return;
        }
        this.#here = true;
        this.#away.forget();
        this.#doors?.endSessions(1008, 'the centre is back');
        return;
      } catch (error) {
        this.#away.delivering = false;
        log.warn({ cause: (error as Error).message }, 'the centre is not settled with yet');
        if (error instanceof Away && !this.#link.isUp) return;
        await this.#rest(AGAIN_MS);
      }
    }
  }

  /** In the order it came, one after the other. Ends in the very turn in which nothing is left. */
  async #deliver(): Promise<void> {
    const { log } = this.#options;
    while (this.#queue.length > 0) {
      const said = this.#queue.first();
      if (said === undefined) {
        await this.#queue.settled();
        continue;
      }
      const refusal = await this.#centre.deliver(said);
      if (refusal !== undefined)
        log.warn({ node: said.node, path: said.path, refusal }, 'the centre did not take this');
      // That an install is done must be known here before the queue, which says so until then, is emptied.
      if (this.#queue.length === 1) await this.#sync();
      await this.#queue.delivered();
    }
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#look().finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #look(): Promise<void> {
    const { directory, log, now, address } = this.#options;
    const self = await this.#centre.self();
    const doubts = await this.#known.replace(self, await this.#centre.nodes());
    for (const doubt of doubts) log.warn({ doubt }, 'an image is not served');
    const ca = `${self.certificates.join('\n')}\n`;
    if (this.#ca !== undefined && this.#ca !== ca) {
      await writeWhole(join(directory, 'ca.pem'), ca);
      this.#ca = ca;
    }
    const [pins, names] = [self.trust.pins, [address]];
    if (isDue(keptCertificate(directory), pins, names, now())) {
      const certify = (key: Buffer) => this.#centre.certify(key, names);
      await this.#open(await obtainCertificate(directory, certify, { pins, names, now: now() }));
    }
    void this.#prefetch();
  }

  async #open(tls: { key: string; cert: string }): Promise<void> {
    if (this.#doors !== undefined) return this.#doors.setCertificate(tls);
    const { address: host, port, log } = this.#options;
    this.#doors = await openDoors({
      ...{ host, port, tls, link: this.#link, away: this.#away, log },
      here: () => this.#here,
      refused: () => this.#refused,
      passed: (head, reply) => this.#passed(head, reply),
    });
    this.#opened.resolve();
  }

  /** What the centre answered an agent may be of use later, or tell that something has changed. */
  #passed({ method, path }: RequestHead, { status, body }: Reply): void {
    const { log } = this.#options;
    const trust = this.#known.self?.trust;
    if (status !== 200 || trust === undefined) return;
    const failed = (error: Error) => log.warn({ cause: error.message }, 'what the centre said could not be kept');
    if (method === 'GET' && path === '/v1/self/wanted') this.#wanted.keep(body, trust).catch(failed);
    // A node that has just finished must not be sent into its install again when the centre goes now.
    if (method === 'PUT' && path === '/v1/self/install') this.#sync().catch(failed);
  }

  /** Fetches what the site is booted and installed with, one file after the other, before a machine waits for it. */
  async #prefetch(): Promise<void> {
    if (this.#prefetching) return;
    this.#prefetching = true;
    try {
      for (const sha256 of this.#known.files())
        if (!existsSync(join(this.#options.directory, 'files', sha256))) await this.#files?.fetch(sha256);
    } catch (error) {
      this.#options.log.warn({ cause: (error as Error).message }, 'a file could not be fetched');
      await this.#rest(PREFETCH_MS);
    } finally {
      this.#prefetching = false;
    }
  }

  async #rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}
