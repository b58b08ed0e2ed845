import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../pxe.ts';
import type { Neighbours } from './neighbours.ts';
import { findServers, type ProbeOptions } from './probe.ts';

const EVERY_MS = 300_000;
/** A server may ping an address for three seconds before it offers it (dnsmasq does). */
const WAIT_MS = 6_000;

/**
 * Looks for other DHCP servers now and every five minutes: what they offer to machines does not come by our port. Ends with
 * `signal`.
 */
export async function watchServers(
  options: Omit<ProbeOptions, 'waitMs'> & { network: string; neighbours: Neighbours; log: Log },
  signal: AbortSignal,
): Promise<void> {
  const { neighbours, network, log } = options;
  let failed = '';
  while (!signal.aborted) {
    try {
      const offers = await findServers({ ...options, waitMs: WAIT_MS, signal });
      for (const { server, address, ...details } of offers)
        neighbours.heard({ server, network, proxy: address === undefined, details: { address, ...details } });
      if (!signal.aborted) neighbours.looked(network);
      failed = '';
    } catch (error) {
      const cause = (error as Error).message;
      if (cause !== failed) log.warn({ cause }, 'other DHCP servers are only seen when a machine chooses them');
      failed = cause;
    }
    await sleep(EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
