import type { Facts } from '../facts.ts';
import type { ClaimedHardware } from './identity.ts';

const MACS = 64;

/** The hints by which the server matches this machine with a node. Absent is absent: nothing is invented. */
export function hardwareOf({ sections }: Facts): ClaimedHardware {
  const { system, nics, hostname } = sections;
  const macs = Object.values((nics ?? {}) as Record<string, { mac?: string }>).flatMap(({ mac }) => mac ?? []);
  const hints = {
    uuid: system?.uuid,
    serial: system?.serial,
    board_serial: system?.board?.serial,
    vendor: system?.manufacturer,
    product: system?.product,
    hostname: hostname?.fqdn ?? hostname?.hostname,
    macs: macs.length === 0 ? undefined : macs.sort().slice(0, MACS),
  };
  return Object.fromEntries(Object.entries(hints).filter(([, value]) => value !== undefined));
}
