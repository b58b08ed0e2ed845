import type { Clock } from './client/clock.ts';
import type { HttpRequest, Server } from './client/http.ts';
import type { Identity } from './client/identity.ts';
import type { TrustStore } from './client/trust-store.ts';
import type { Facts } from './facts.ts';
import type { System } from './system.ts';

/** What an agent is started with. */
export interface AgentOptions {
  system: System;
  url: URL;
  /** Pins of the CAs trusted at the start, hexadecimal. */
  pins: readonly string[];
  /** The agent's own directory: its key, and what it learned. It writes nowhere else. */
  directory: string;
  joinToken?: string | undefined;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /** The first heartbeat of an enrolled node comes after a random part of this, milliseconds. */
  firstBeatMs: number;
  /** Time between two looks at the machine, milliseconds. */
  observeMs: number;
  /** Distinguishes this boot. */
  bootId: string;
  /** Where the numbers of reports begin. They go forward over restarts of the agent within a boot. */
  firstSeq: number;
  log: (message: string) => void;
  /** Ends the agent. */
  signal: AbortSignal;
  /** It runs in the discovery image, in memory: nothing of what it observes is the node's configuration. */
  discovery?: boolean;
  /** What the agent does besides observing; without it, it can do nothing else. */
  duty?: Duty;
}

/** Work that the wanted state or an install asks for, done between two heartbeats. */
export interface Duty {
  /**
   * Called when a session begins, when the server wants something, and after every look at the machine. Answers whether the
   * machine was changed, so that it is looked at again.
   */
  work(door: Door): Promise<boolean>;
  /** Called when the server could not be reached. */
  away?(node: string, trust: TrustStore): void;
}

/** How a duty speaks with the server, as this node. */
export interface Door {
  node: string;
  identity: Identity;
  trust: TrustStore;
  server: Server;
  facts: Facts;
  signal: AbortSignal;
  send<Reply>(request: Omit<HttpRequest, 'token'>): Promise<Reply>;
  /** The headers of a request that is signed, and numbered within the boot: a relay may have to bring it later. */
  signed(request: Omit<HttpRequest, 'token'>, by: Identity): Record<string, string>;
  /**
   * A fresh signed round trip to the server on a new connection; throws when it fails.
   *
   * @param from address of this machine that it comes from
   */
  roundTrip(from?: string): Promise<void>;
}
