import type { Report } from '../shared/api/agent.ts';
import { formatOrder, saidText } from '../shared/said-text.ts';
import { backoffMs } from './client/backoff.ts';
import { type Enrolled, enrol, fetchToken, roundTrip, type Token } from './client/enrolment.ts';
import { hardwareOf } from './client/hardware.ts';
import { type HttpRequest, type Server, ServerError, send } from './client/http.ts';
import { type Identity, openIdentity, rememberNode, signText } from './client/identity.ts';
import { Inbox } from './client/inbox.ts';
import { openIfPossible } from './client/open-session.ts';
import { pause } from './client/pause.ts';
import { factsOf, type Hashes, hashesOf, makeReport } from './client/report.ts';
import { beatOnce, type Session } from './client/session.ts';
import { openTrust, type TrustStore } from './client/trust-store.ts';
import { checkWanted, keepWanted, keptGeneration, type SignedWanted } from './client/wanted.ts';
import type { AgentOptions, Door } from './duty.ts';
import type { Facts } from './facts.ts';
import { type Ask, look, lookAtConfigured } from './look.ts';
import { asker } from './questions.ts';
import { version } from './version.ts';

const CLAIM_AGAIN_MS = 10_000;

const hashesText = (facts: Facts) => JSON.stringify(Object.entries(hashesOf(facts)).sort());

/**
 * Runs the agent until its signal: enrols, holds a session, reports what changed. It observes, and applies nothing: what
 * else is done is the duty's.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const ask = asker(() => performance.now());
  const agent = new Agent(options, ask, await look(options, ask));
  await agent.run();
}

class Agent {
  readonly #options: AgentOptions;
  readonly #ask: Ask;
  readonly #trust: TrustStore;
  readonly #server: Server;
  #facts: Facts;
  #identity: Identity;
  #node: string | undefined;
  #token: Token | undefined;
  #seq: number;
  /** Number of what was told last, besides reports. */
  #told: number;
  /** What the server has of us, by its own word; undefined until asked. */
  #stored: Hashes | undefined;
  #rejected = new Set<string>();
  #generation = 0;
  #said = '';

  constructor(options: AgentOptions, ask: Ask, facts: Facts) {
    this.#options = options;
    this.#ask = ask;
    this.#trust = openTrust(options.directory, options.pins);
    this.#server = { url: options.url, pins: () => this.#trust.pins(), clock: options.clock };
    this.#facts = facts;
    this.#identity = openIdentity(options.directory, hardwareOf(facts));
    this.#node = this.#identity.node;
    this.#seq = options.firstSeq;
    this.#told = options.firstSeq;
    if (this.#identity.dropped)
      options.log('this disk came from another machine: its identity was dropped, and the machine enrols anew');
  }

  async run(): Promise<void> {
    const { signal, random, firstBeatMs } = this.#options;
    if (this.#node !== undefined) await pause(firstBeatMs * random(), signal);
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#life(() => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#forget(error);
        this.#say((error as Error).message);
        if (error instanceof ServerError && error.status === 0 && this.#node !== undefined)
          this.#options.duty?.away?.(this.#node, this.#trust);
        await pause(backoffMs(failures, random, error instanceof ServerError ? error.retryAfterS : undefined), signal);
      }
    }
  }

  /** From knowing nothing of the server to the end of a session. */
  async #life(working: () => void): Promise<void> {
    if (this.#node === undefined) await this.#enrol();
    const token = await this.#freshToken();
    if (token === undefined) return;
    await this.#report(token);
    working();
    await this.#session(token);
  }

  async #enrol(): Promise<void> {
    const { bootId, joinToken, directory } = this.#options;
    const { before } = this.#identity;
    const hardware = { ...hardwareOf(this.#facts), ...(before === undefined ? {} : { disk: before }) };
    const enrolled: Enrolled = await enrol(this.#server, this.#identity, hardware, bootId, { joinToken });
    rememberNode(directory, enrolled.node);
    this.#node = enrolled.node;
    const waits =
      enrolled.status === 'approved'
        ? ''
        : `, and waits for approval: machinedb approve ${enrolled.node} --fingerprint ${enrolled.fingerprint}`;
    this.#say(`this machine is node ${enrolled.node}, its key is ${enrolled.fingerprint}${waits}`);
  }

  async #freshToken(): Promise<string | undefined> {
    if (this.#token !== undefined && this.#token.renewAt > this.#options.clock()) return this.#token.value;
    this.#token = await fetchToken(this.#server, this.#identity, this.#node!);
    if (this.#token !== undefined) {
      this.#trust.learn(this.#token.trust);
      return this.#token.value;
    }
    // The server does not know the key (any more): claiming again tells why, or brings a new node.
    this.#node = undefined;
    await pause(CLAIM_AGAIN_MS * this.#options.random(), this.#options.signal);
    return undefined;
  }

  /** Sends what the server lacks. */
  async #report(token: string): Promise<void> {
    if (this.#stored === undefined) {
      const self = await send<{ hashes: Hashes; level: string }>(this.#server, {
        method: 'GET',
        path: '/v1/self',
        token,
      });
      this.#stored = self.hashes;
    }
    const report = makeReport(this.#facts, this.#stored, this.#options.bootId, this.#seq + 1);
    const news = Object.keys(report.sections).some((name) => !this.#rejected.has(name));
    if (!news) return;
    this.#seq += 1;
    const reply = await this.#put(token, report);
    this.#stored = reply.hashes;
    this.#rejected = new Set(Object.keys(reply.rejected));
    for (const [name, why] of Object.entries(reply.rejected))
      this.#say(`the server did not take section ${name}: ${why}`);
  }

  async #put(token: string, report: Report): Promise<{ hashes: Hashes; rejected: Record<string, string> }> {
    const body = JSON.stringify(report);
    const signature = signText(this.#identity, `machinedb-report\n${body}`);
    return await send(this.#server, {
      method: 'PUT',
      path: '/v1/self/observed',
      token,
      body,
      headers: { 'machinedb-signature': signature },
    });
  }

  /** Beats on a session until it ends; throws the reason. */
  async #session(token: string): Promise<void> {
    const { signal, observeMs, clock, directory } = this.#options;
    this.#generation = keptGeneration(directory, this.#node!, this.#trust);
    const inbox = new Inbox();
    const session = await openIfPossible(this.#server, token, inbox);
    const stop = () => inbox.end(new ServerError(0, '', 'the agent stops'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let looked = clock();
    let due = 0;
    try {
      if (await this.#work(token)) return;
      for (;;) {
        if (clock() >= due) {
          due = Number.POSITIVE_INFINITY;
          if (await this.#lookAgain(token)) return;
          await this.#beat(session, token, inbox);
        }
        const message = await inbox.next(Math.min(due, looked + observeMs) - clock());
        if (message?.next_in_ms !== undefined) due = clock() + message.next_in_ms;
        if (message?.want?.includes('wanted')) await this.#fetchWanted(token);
        if (message?.want?.includes('observed')) await this.#resend(token);
        const asked =
          message?.want?.some((want) => want === 'wanted' || want === 'install' || want === 'apply') ?? false;
        if (asked && (await this.#work(token))) return;
        if (clock() >= looked + observeMs) {
          this.#facts = await look(this.#options, this.#ask);
          looked = clock();
          await this.#report(token);
        }
        // A new token is had in time, on a new session: the old one would be ended in mid-work.
        if ((this.#token?.renewAt ?? 0) < clock()) return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      session?.close();
    }
  }

  /**
   * What people change by hand is looked at before a heartbeat, so that a difference is known within one. Answers what
   * #work does.
   */
  async #lookAgain(token: string): Promise<boolean> {
    if (this.#options.discovery === true) return false;
    const before = this.#facts;
    this.#facts = await lookAtConfigured(before, this.#options.system, this.#ask);
    if (hashesText(before) === hashesText(this.#facts)) return false;
    await this.#report(token);
    return await this.#work(token);
  }

  /**
   * Does the duty; what that changed is looked at and reported at once. Answers whether the machine was changed: the session
   * may hang on an address that is gone, so that a new one is opened.
   */
  async #work(token: string): Promise<boolean> {
    const { duty, signal } = this.#options;
    if (duty === undefined || signal.aborted) return false;
    const door: Door = {
      node: this.#node!,
      identity: this.#identity,
      trust: this.#trust,
      server: this.#server,
      facts: this.#facts,
      signal,
      // What takes as long as an install may outlive the token that it began with.
      send: async (request) => {
        const once = async () => {
          const fresh = (await this.#freshToken()) ?? token;
          return await send<never>(this.#server, { ...request, token: fresh, headers: this.#signed(request) });
        };
        try {
          return await once();
        } catch (error) {
          if (!(error instanceof ServerError) || error.status !== 401) throw error;
          // A relay went from answering to carrying, or back: the other's tokens mean nothing there.
          this.#token = undefined;
          return await once();
        }
      },
      signed: (request, by) => this.#signed(request, by),
      roundTrip: (from) => roundTrip(this.#server, this.#identity, this.#node!, from),
    };
    if (!(await duty.work(door))) return false;
    this.#facts = await look(this.#options, this.#ask);
    await this.#report(token);
    return true;
  }

  #signed(
    { method, path, body, headers }: Omit<HttpRequest, 'token'>,
    by: Identity = this.#identity,
  ): Record<string, string> {
    if (body === undefined) return headers ?? {};
    this.#told += 1;
    const order = { boot_id: this.#options.bootId, n: this.#told };
    const signature = signText(by, saidText(method, path, order, body));
    return { ...headers, 'machinedb-said': formatOrder(order), 'machinedb-signature': signature };
  }

  async #beat(session: Session | undefined, token: string, inbox: Inbox): Promise<void> {
    const beat = {
      boot_id: this.#options.bootId,
      seq: this.#seq,
      facts: factsOf(hashesOf(this.#facts), this.#rejected),
      generation: this.#generation,
      version,
    };
    if (session === undefined) inbox.add(await beatOnce(this.#server, token, beat));
    else session.beat(beat);
  }

  /** The server has other facts than ours: what it has is asked anew, so that a lost reply cannot confuse us. */
  async #resend(token: string): Promise<void> {
    this.#stored = undefined;
    await this.#report(token);
  }

  async #fetchWanted(token: string): Promise<void> {
    const signed = await send<SignedWanted>(this.#server, { method: 'GET', path: '/v1/self/wanted', token });
    checkWanted(signed, this.#node!, this.#trust);
    keepWanted(this.#options.directory, signed);
    this.#generation = signed.generation;
  }

  #forget(error: unknown): void {
    this.#stored = undefined;
    if (error instanceof ServerError && (error.status === 401 || error.status === 403)) this.#token = undefined;
  }

  /** Says a thing once, not at every attempt. */
  #say(message: string): void {
    if (message !== this.#said) this.#options.log(message);
    this.#said = message;
  }
}
