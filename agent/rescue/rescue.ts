import { ServerError } from '../client/http.ts';
import type { Order, RescueDoor } from './door.ts';
import type { SshServer } from './ssh-server.ts';

export interface RescueOptions {
  door: RescueDoor;
  /** Starts the SSH server for one key. */
  start: (order: Order, certify: RescueDoor['certify']) => Promise<SshServer>;
  /** Milliseconds that only go forward: the clock of a machine may be set while it is in rescue. */
  elapsed: () => number;
  sleep: (ms: number) => Promise<void>;
  log: (message: string) => void;
  /** Ends the agent, and the rescue with it. */
  signal: AbortSignal;
}

/** How often the server is asked whether the rescue goes on, milliseconds. */
const ASK_MS = 5_000;

/**
 * Keeps an SSH server running for as long as the server says that the rescue of this machine is open; without its word until
 * the time is over that it said last. Resolves when the rescue is over and all that it let in has ended.
 */
export async function runRescue({ door, start, elapsed, sleep, log, signal }: RescueOptions): Promise<void> {
  let running: { server: SshServer; key: string } | undefined;
  let end = Number.POSITIVE_INFINITY;
  let said = '';
  const say = (message: string) => {
    if (message !== said) log(message);
    said = message;
  };
  try {
    for (;;) {
      if (signal.aborted) return;
      try {
        const order = await door.fetch();
        end = elapsed() + order.seconds_left * 1000;
        if (running?.key !== order.public_key) {
          await running?.server.stop();
          running = undefined;
          const server = await start(order, door.certify);
          running = { server, key: order.public_key };
          const minutes = Math.ceil(order.seconds_left / 60);
          say(
            `${order.operator} may log in for ${minutes} min: ssh root@${server.address} (host key ${server.fingerprint})`,
          );
        }
      } catch (error) {
        if (error instanceof ServerError && error.status === 403) break;
        say((error as Error).message);
      }
      const left = end - elapsed();
      if (left <= 0) break;
      await sleep(Math.min(ASK_MS, left));
    }
  } finally {
    await running?.server.stop();
  }
  log('the rescue is over');
}
