import type { Bmc } from '../../shared/sections/bmc.ts';
import { known, knownUuid } from '../parse/placeholder.ts';
import { numberAt, type Smbios, type Structure, uuidAt } from './table.ts';

const interfaces: Record<number, string> = { 1: 'kcs', 2: 'smic', 3: 'bt', 4: 'ssif' };
const networkInterface = 0x40;
const redfishOverIp = 4;

/** The management controller in SMBIOS: types 38 (DSP0134, 7.39) and 42 (7.43). */
export function managementOf({ structures, version }: Smbios): Bmc {
  const device = structures.find(({ type }) => type === 38);
  const host = structures.find((each) => each.type === 42 && numberAt(each, 0x04, 1) === networkInterface);
  const revision = device && numberAt(device, 0x05, 1);
  return {
    interface: device && interfaces[numberAt(device, 0x04, 1) ?? 0],
    ipmi_version: revision ? `${revision >> 4}.${revision & 15}` : undefined,
    redfish: host && redfishOf(host, version),
  };
}

/**
 * The first Redfish-over-IP record of a host interface: behind the interface's own data, records of a type, a length and data
 * (DSP0270, 9.3).
 */
function redfishOf(host: Structure, version: Smbios['version']): Bmc['redfish'] {
  const records = 6 + (numberAt(host, 0x05, 1) ?? 0);
  const count = numberAt(host, records, 1) ?? 0;
  let at = records + 1;
  for (let record = 0; record < count; record++) {
    const length = numberAt(host, at + 1, 1);
    if (length === undefined) return undefined;
    if (numberAt(host, at, 1) === redfishOverIp) {
      const area = host.area.subarray(at + 2, at + 2 + length);
      return serviceIn({ ...host, area }, version);
    }
    at += 2 + length;
  }
  return undefined;
}

function serviceIn(data: Structure, version: Smbios['version']): Bmc['redfish'] {
  // All ones: none.
  const vlan = numberAt(data, 86, 4);
  const nameLength = numberAt(data, 90, 1) ?? 0;
  return {
    uuid: knownUuid(uuidAt(data, 0, version)),
    host_address: addressAt(data, 17, 18),
    address: addressAt(data, 51, 52),
    port: numberAt(data, 84, 2) || undefined,
    vlan: vlan === 0xffffffff ? undefined : vlan || undefined,
    hostname: known(data.area.toString('utf8', 91, 91 + nameLength)),
  };
}

// Format 1: the first four bytes; 2: all sixteen.
function addressAt(data: Structure, format: number, at: number): string | undefined {
  const bytes = data.area.subarray(at, at + 16);
  if (bytes.length < 16 || bytes.every((byte) => byte === 0)) return undefined;
  const kind = numberAt(data, format, 1);
  if (kind === 1) return bytes.subarray(0, 4).join('.');
  if (kind !== 2) return undefined;
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
}
