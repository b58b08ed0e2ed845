import { once } from 'node:events';
import WebSocket from 'ws';
import { hardwareOf } from '../../agent/client/hardware.ts';
import type { Identity } from '../../agent/client/identity.ts';
import type { HeartbeatReply } from '../../shared/api/agent.ts';
import { factsHash, hashOf } from '../../shared/hash.ts';
import { type Door, type SimulatedNode, simulate } from '../simulated-node.ts';
import { type Fault, sectionsWith } from './faults.ts';
import type { Machine, Sections } from './machine.ts';

const FIRST_BEAT_MS = 10_000;
/** A daemon that is away is asked again after a random part of it. */
const RETRY_MS = 10_000;

/** One machine of the lab: enrols, holds a session, beats when it was told to, and reports what changed. */
export class LabNode {
  readonly machine: Machine;
  readonly faults = new Set<Fault>();
  readonly #door: Door;
  readonly #joinToken: string;
  readonly #random: () => number;
  readonly #node: SimulatedNode;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What the server has of it: section → hash. */
  #reported: Record<string, string> = {};
  #generation = 0;
  #beats = 0;
  #stopped = false;

  constructor(
    machine: Machine,
    how: { door: Door; identity: Identity; joinToken: string; boot: string; random: () => number },
  ) {
    this.machine = machine;
    this.#door = how.door;
    this.#joinToken = how.joinToken;
    this.#random = how.random;
    const facts = { sections: machine.sections, errors: {} };
    this.#node = simulate(how.identity, hardwareOf(facts as never), `${how.boot}-${machine.index}`);
  }

  /** Enrols and reports all it has; answers its node id. */
  async join(): Promise<string> {
    const { node } = await this.#node.enrol(this.#door, this.#joinToken);
    await this.report();
    return node;
  }

  /** Reports the sections that are others than before. */
  async report(): Promise<void> {
    const now: Sections = sectionsWith(this.machine, this.faults);
    const changed = Object.entries(now).filter(([name, data]) => this.#reported[name] !== hashOf(data));
    if (changed.length === 0) return;
    const { hashes } = await this.#node.report(this.#door, Object.fromEntries(changed));
    this.#reported = hashes;
  }

  /** Opens its session, and keeps one open until stop(). */
  async open(): Promise<void> {
    this.#stopped = false;
    try {
      await this.#open();
    } catch {
      this.#again();
    }
  }

  /** Falls silent: as when its power is cut. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  /** Starts anew: another boot, of which it reports everything. */
  async reboot(): Promise<void> {
    this.stop();
    this.#node.reboot();
    this.#reported = {};
    await this.report();
    await this.open();
  }

  async #open(): Promise<void> {
    const url = new URL('/v1/self/session', this.#door.url);
    url.protocol = 'wss:';
    const headers = { authorization: `Bearer ${await this.#node.token(this.#door)}` };
    const { ca } = this.#door.connection;
    const socket = new WebSocket(url, { headers, ca, servername: 'machinedb', perMessageDeflate: false } as object);
    this.#socket = socket;
    await once(socket, 'open');
    socket.on('error', () => undefined);
    socket.on('message', (data) => void this.#hear(JSON.parse(String(data)) as Partial<HeartbeatReply>));
    socket.on('close', () => this.#again());
    this.#beatIn(FIRST_BEAT_MS * this.#random());
  }

  /** The session is over: its token may have been, too. */
  #again(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#node.forget();
    this.#timer = setTimeout(() => void this.open(), RETRY_MS * this.#random());
  }

  #beatIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#beats += 1;
      const [boot_id, facts] = [this.#node.bootId(), factsHash(this.#reported)];
      const beat = { boot_id, seq: this.#beats, facts, generation: this.#generation, version: 'lab' };
      this.#socket?.send(JSON.stringify(beat));
    }, ms);
  }

  /** A machine of the lab has no use for what is wanted of it: it only says that it has it. */
  async #hear({ next_in_ms, want }: Partial<HeartbeatReply>): Promise<void> {
    if (next_in_ms !== undefined) this.#beatIn(next_in_ms);
    try {
      if (want?.includes('wanted')) this.#generation = await this.#node.wanted(this.#door);
      if (want?.includes('observed')) {
        this.#reported = {};
        await this.report();
      }
    } catch {
      // The next heartbeat is answered with the same.
    }
  }
}
