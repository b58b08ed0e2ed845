import type { Facts } from '../facts.ts';
import type { ClaimedHardware } from './identity.ts';

const MACS = 64;
const DIMMS = 128;
const LONGEST = 100;

/** The hints by which the server matches this machine with a node. Absent is absent: nothing is invented. */
export function hardwareOf({ sections }: Facts): ClaimedHardware {
  const { system, nics, hostname, memory } = sections;
  const macs = Object.values((nics ?? {}) as Record<string, { mac?: string }>).flatMap(({ mac }) => mac ?? []);
  const dimms = Object.values(memory?.dimms ?? {}).flatMap(({ serial, part }) =>
    // The serial number stands last: it is what must not be cut.
    serial === undefined ? [] : [(part === undefined ? serial : `${part} ${serial}`).slice(-LONGEST)],
  );
  const hints = {
    uuid: system?.uuid,
    serial: system?.serial,
    board_serial: system?.board?.serial,
    chassis_serial: system?.chassis?.serial?.slice(0, 200),
    vendor: system?.manufacturer,
    product: system?.product,
    hostname: hostname?.fqdn ?? hostname?.hostname,
    dimms: dimms.length === 0 ? undefined : dimms.sort().slice(0, DIMMS),
    macs: macs.length === 0 ? undefined : macs.sort().slice(0, MACS),
  };
  return Object.fromEntries(Object.entries(hints).filter(([, value]) => value !== undefined));
}
