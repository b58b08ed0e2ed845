import { order } from './change.ts';
import { type Way, wayTo } from './network/links.ts';
import { appliers, type Proof } from './sections.ts';

const AGAIN_MS = 1000;
/** Looks, of which every last one has what is missing configured once more. */
const LOOKS = 5;

/** The network is as far as can be told right, and the server does not answer over it. */
export class ServerAway extends Error {}

export interface Waiting extends Proof {
  /** A signed round trip to the server by a way of this machine, or as it speaks now; throws when it fails. */
  probe: (way?: Way) => Promise<void>;
  /** The server's host, as its URL has it. */
  host: string;
  clock: () => number;
  sleep: (ms: number) => Promise<void>;
}

/**
 * Waits until the server answers over the new network, and all that is wanted of it is there: gateways, BGP neighbours. Throws
 * the cause at the deadline; ServerAway when the network itself shows none.
 *
 * @param end deadline, by `clock`
 */
export async function waitForProof({ probe, host, clock, sleep, ...machine }: Waiting, end: number): Promise<void> {
  // From an address of the new network: an old one, or another way out, proves nothing.
  const way = wayTo(machine.wanted.network?.interfaces ?? {}, host);
  let telling: string | undefined;
  for (let looks = 1; ; looks++) {
    const server = await probe(way).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const problem = await problemOf(machine);
    // bgpd forgets between two tries why the neighbour ended the session.
    if (problem !== undefined && /Bad Peer AS/.test(problem)) telling = problem;
    if (server === undefined && problem === undefined) {
      if (clock() <= end) return;
      throw new Error('the server answered after the deadline only');
    }
    if (clock() + AGAIN_MS >= end) {
      if (problem !== undefined) throw new Error(telling ?? problem);
      throw new ServerAway(`the gateway answers, but the server does not: ${server}`);
    }
    if (problem !== undefined && looks % LOOKS === 0) configureAgain(machine);
    await sleep(AGAIN_MS);
  }
}

/** Has what is wanted, and in files that are in force, configured once more where it is missing. */
export function configureAgain(machine: Proof): void {
  for (const section of order) if (machine.wanted[section] !== undefined) appliers[section].again?.(machine);
}

/** What of the wanted state is not there that has to be, in words that name the cause; undefined: all is. */
export async function problemOf(machine: Proof): Promise<string | undefined> {
  for (const section of order) {
    const problem = machine.wanted[section] === undefined ? undefined : await appliers[section].problem?.(machine);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
