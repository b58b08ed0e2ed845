import type { Hardware } from '../schema.ts';

const PLACEHOLDER =
  /^(to be filled.*|default( string)?|not (specified|available|applicable|present)|no dimm|none|n\/?a|unknown|system serial number|serial|o\.?e\.?m\.?|[0-]+|f+|x+|0x0+|1234567|12345678|123456789|0123456789|1234567890|empty|invalid)$/i;

/** The text, trimmed, unless it is a placeholder that vendors write where they have nothing to say. */
export function serialText(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === undefined || trimmed === '' || PLACEHOLDER.test(trimmed) ? undefined : trimmed;
}

/** The hints that can identify at all: placeholders, all-0/F UUIDs and MACs that are no one's own are left out. */
export function identifying(hardware: Hardware): Hardware {
  const uuid = serialText(hardware.uuid)?.toLowerCase();
  const own = (hardware.macs ?? []).map((mac) => mac.toLowerCase()).filter(isOwnMac);
  const burnedIn = own.filter((mac) => !isLocalMac(mac));
  const dimms = (hardware.dimms ?? []).flatMap((dimm) =>
    serialText(dimm.split(' ').at(-1)) === undefined ? [] : dimm,
  );
  const { vendor, product, hostname } = hardware;
  return {
    vendor,
    product,
    hostname,
    uuid: uuid === undefined || /^[0-]+$|^[f-]+$/.test(uuid) ? undefined : uuid,
    serial: serialText(hardware.serial),
    board_serial: serialText(hardware.board_serial),
    chassis_serial: serialText(hardware.chassis_serial),
    macs: [...new Set(burnedIn.length > 0 ? burnedIn : own)].sort(),
    dimms: dimms.length === 0 ? undefined : [...new Set(dimms)].sort(),
    disk: hardware.disk?.toLowerCase(),
  };
}

/** A unicast MAC, lower case, that is not all zero. */
export function isOwnMac(mac: string): boolean {
  return (
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) &&
    mac !== '00:00:00:00:00:00' &&
    (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0
  );
}

/** Locally administered: a virtual function's, made up at each boot; but a virtual machine may have no other. */
export function isLocalMac(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 2) !== 0;
}

/**
 * The same UUID in the other byte order: SMBIOS before 2.6 did not say in which order its first three fields are, and tools
 * differ (DSP0134, 7.2.1).
 */
export function otherByteOrder(uuid: string): string {
  const [a = '', b = '', c = '', ...rest] = uuid.split('-');
  return [a, b, c]
    .map((field) => field.match(/../g)?.reverse().join('') ?? '')
    .concat(rest)
    .join('-');
}
