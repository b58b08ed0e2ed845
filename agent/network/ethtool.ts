import { known } from '../parse/placeholder.ts';
import { ANSWERS, type System } from '../system.ts';
import { isPhysical, kindOf, type Netdev, netdevs, sysfsMac, unicastMac } from './netdev.ts';
import { rdmaOf } from './rdma.ts';

/** What ethtool is asked about a port: its driver and firmware, or its permanent MAC. */
export type PortQuestion = '-i' | '-P';

/** File of what ethtool answered about a port. */
export const ethtoolFile = (question: PortQuestion, name: string): string => `ethtool${question}-${name}`;

/**
 * Which ports ethtool is asked about, and what: only what no file tells, and nothing of virtio's, which have no firmware.
 */
export function portsToAsk(system: System): { port: Netdev; question: PortQuestion }[] {
  return netdevs(system)
    .filter((port) => isPhysical(system, port) && kindOf(system, port) !== undefined)
    .filter(({ device }) => !/\/virtio\d+$/.test(device ?? ''))
    .flatMap((port) => [
      ...(rdmaOf(system, port).firmware === undefined ? [{ port, question: '-i' as const }] : []),
      ...(kindOf(system, port) === 'ethernet' && sysfsMac(system, port) === undefined
        ? [{ port, question: '-P' as const }]
        : []),
    ]);
}

/** The MAC that the hardware carries: as the kernel's files tell it, or as ethtool does where somebody has set another. */
export function permanentMac(system: System, port: Netdev): string | undefined {
  return sysfsMac(system, port) ?? unicastMac(told(system, port, '-P', 'Permanent address'));
}

/** The firmware's version, as the driver says it. */
export function firmwareOf(system: System, port: Netdev): string | undefined {
  return known(told(system, port, '-i', 'firmware-version'));
}

// ethtool(8): a name, a colon and a value a line. An answer that cannot be read takes nothing away from what the kernel tells.
function told(system: System, { name }: Netdev, question: PortQuestion, key: string): string | undefined {
  try {
    const lines = system.read(`${ANSWERS}/${ethtoolFile(question, name)}`)?.split('\n') ?? [];
    return lines.find((line) => line.startsWith(`${key}: `))?.slice(key.length + 2);
  } catch {
    return undefined;
  }
}
