import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Way } from './apply/network/links.ts';
import { confirmedVrf } from './apply/snapshot.ts';
import { must, type Run } from './command.ts';
import type { System } from './system.ts';

/** Moves a process and its children into a VRF, or with "default" out of any (ip-vrf(8)). */
const inVrf = (vrf: string | undefined, command: string[]) => ['vrf', 'exec', vrf ?? 'default', ...command];

/** The VRF that this process is in: ip-vrf(8) keeps processes in control groups. */
export function vrfOfProcess(system: System): string | undefined {
  return /\/vrf\/([^/\n]+)$/m.exec(system.read('/proc/self/cgroup') ?? '')?.[1];
}

export interface Place {
  root: string;
  /** The agent's state directory. */
  state: string;
  system: System;
}

/** The VRF that this process should be in, if it is not: the one that reaches the server, where that is there. */
export function otherVrf({ root, state, system }: Place): { vrf: string | undefined } | undefined {
  const confirmed = confirmedVrf(state);
  const isThere = confirmed !== undefined && existsSync(join(root, '/sys/class/net', confirmed));
  const right = isThere ? confirmed : undefined;
  return right === vrfOfProcess(system) ? undefined : { vrf: right };
}

/** Has this process be replaced by one with the same arguments where the server is reached; returns where it is right. */
export function moveToServer(place: Place, log: (message: string) => void): void {
  const other = otherVrf(place);
  if (other === undefined) return;
  log(`going on in ${other.vrf === undefined ? 'no VRF' : `VRF ${other.vrf}`}, where the server is reached`);
  process.execve?.('/sbin/ip', ['ip', ...inVrf(other.vrf, [process.execPath, ...process.argv.slice(2)])]);
}

/**
 * Does a round trip to the server by a way: by this process, or where that is in another VRF, by a child in it. Throws what
 * went wrong.
 */
export function proberOf(
  { system, run, probeCommand }: { system: System; run: Run; probeCommand: string[] },
  roundTrip: (from?: string) => Promise<void>,
): (way?: Way) => Promise<void> {
  return async (way) => {
    if (way === undefined || way.vrf === vrfOfProcess(system)) await roundTrip(way?.address);
    else must(run, 'ip', inVrf(way.vrf, [...probeCommand, '--from', way.address]));
  };
}
