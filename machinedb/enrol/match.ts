import type { Hardware } from '../schema.ts';

/** Two descriptions with at least this score are the same machine. */
const SAME = 100;

const PLACEHOLDER =
  /^(to be filled.*|default( string)?|not (specified|available|applicable|present)|none|n\/?a|unknown|system serial number|serial|o\.?e\.?m\.?|0+|f+|x+|123456789|0123456789|1234567890|empty|invalid)$/i;

/** The hints that can identify at all: placeholders, all-0/F UUIDs and MACs that are no one's own are left out. */
export function identifying(hardware: Hardware): Hardware {
  const text = (value: string | undefined) => {
    const trimmed = value?.trim();
    return trimmed === undefined || trimmed === '' || PLACEHOLDER.test(trimmed) ? undefined : trimmed;
  };
  const uuid = text(hardware.uuid)?.toLowerCase();
  const own = (hardware.macs ?? []).map((mac) => mac.toLowerCase()).filter(isOwnMac);
  const burnedIn = own.filter((mac) => !isLocal(mac));
  const { vendor, product, hostname } = hardware;
  return {
    vendor,
    product,
    hostname,
    uuid: uuid === undefined || /^[0-]+$|^[f-]+$/.test(uuid) ? undefined : uuid,
    serial: text(hardware.serial),
    board_serial: text(hardware.board_serial),
    macs: [...new Set(burnedIn.length > 0 ? burnedIn : own)].sort(),
  };
}

/** A unicast MAC that is not all zero. */
function isOwnMac(mac: string): boolean {
  return (
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) &&
    mac !== '00:00:00:00:00:00' &&
    (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0
  );
}

/** Locally administered: a virtual function's, made up at each boot; but a virtual machine may have no other. */
function isLocal(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 2) !== 0;
}

/**
 * Whether two descriptions are of one machine. Twins that share a chassis' UUID and serial number are not: when no MAC
 * address is common though both have some, the board must vouch.
 */
export function isSame(a: Hardware, b: Hardware): boolean {
  const strangers = (a.macs?.length ?? 0) > 0 && (b.macs?.length ?? 0) > 0 && shared(a.macs!, b.macs!) === 0;
  const board = a.board_serial !== undefined && a.board_serial === b.board_serial;
  return score(a, b) >= SAME && (!strangers || board);
}

/**
 * How surely two descriptions are one machine: the weights of Digital Rebar's fingerprint. UUID 50, serial number 50
 * (with the vendor, when both say it), board 25, MAC addresses up to 100 by the share that both have.
 */
export function score(a: Hardware, b: Hardware): number {
  const same = (x: string | undefined, y: string | undefined) => x !== undefined && x === y;
  const vendors = a.vendor === undefined || b.vendor === undefined || a.vendor === b.vendor;
  return (
    (same(a.uuid, b.uuid) ? 50 : 0) +
    (same(a.serial, b.serial) && vendors ? 50 : 0) +
    (same(a.board_serial, b.board_serial) ? 25 : 0) +
    Math.round(100 * shared(a.macs ?? [], b.macs ?? []))
  );
}

function shared(a: string[], b: string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const both = a.filter((mac) => b.includes(mac)).length;
  return both / Math.max(a.length, b.length);
}
