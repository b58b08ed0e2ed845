import type { Bmc } from '../../shared/sections/bmc.ts';
import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';

/** The value behind a label of ipmitool's output: 'Firmware Revision         : 2.46'. */
function field(text: string, label: string): string | undefined {
  return known(new RegExp(`^ *${label} *: *(.*)$`, 'm').exec(text)?.[1]);
}

/** What `ipmitool mc info` prints. */
export function controllerIn(text: string): Bmc {
  return {
    firmware: field(text, 'Firmware Revision'),
    ipmi_version: field(text, 'IPMI Version'),
    manufacturer_id: field(text, 'Manufacturer ID'),
    manufacturer: field(text, 'Manufacturer Name')?.replace(/^Unknown.*/, '') || undefined,
    product_id: field(text, 'Product ID')?.split(' ')[0],
  };
}

const sources: Record<string, string> = { static: 'static', dhcp: 'dhcp', bios: 'bios' };

/** What `ipmitool lan print` prints. */
export function lanIn(text: string): Bmc {
  const source = field(text, 'IP Address Source')?.split(' ')[0]?.toLowerCase();
  const mac = field(text, 'MAC Address')?.toLowerCase();
  const address = addressOf(field(text, 'IP Address'));
  const prefix = prefixOf(field(text, 'Subnet Mask'));
  return {
    mac: mac !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) && !/^[0:]+$/.test(mac) ? mac : undefined,
    addresses: address === undefined ? undefined : { [prefix === undefined ? address : `${address}/${prefix}`]: true },
    address_source: source === undefined ? undefined : (sources[source] ?? 'other'),
    gateway: addressOf(field(text, 'Default Gateway IP')),
    vlan: whole(field(text, '802.1q VLAN ID')) || undefined,
  };
}

/** Addresses that are in force in what `ipmitool lan6 print` prints; link-local ones are every interface's. */
export function addresses6In(text: string): NonNullable<Bmc['addresses']> {
  const blocks = text.split(/^(?=IPv6 (?:Static|Dynamic) Address \d+:)/m).filter((block) => block.startsWith('IPv6 '));
  const found = blocks.flatMap((block) => {
    const address = /^ +Address: +([0-9a-fA-F:]+\/\d{1,3})$/m.exec(block)?.[1]?.toLowerCase();
    const active = /^ +Status: +active$/m.test(block);
    return address === undefined || !active || /^(::\/|fe80:)/.test(address) ? [] : [address];
  });
  return Object.fromEntries(found.slice(0, 64).map((address) => [address, true] as const));
}

function addressOf(text: string | undefined): string | undefined {
  return text !== undefined && /^(\d{1,3}\.){3}\d{1,3}$/.test(text) && text !== '0.0.0.0' ? text : undefined;
}

function prefixOf(mask: string | undefined): number | undefined {
  const bits = addressOf(mask)
    ?.split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return bits !== undefined && /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}
