import type { System as Section } from '../../shared/sections/system.ts';
import { whole } from '../parse/numbers.ts';
import { known, knownUuid } from '../parse/placeholder.ts';
import { chassisType } from '../smbios/chassis.ts';
import { dmiText } from '../smbios/dmi.ts';
import { hypervisorOf } from '../smbios/hypervisor.ts';
import { numberAt, readSmbios, type Smbios, stringAt, uuidAt } from '../smbios/table.ts';
import type { System } from '../system.ts';

/** What the machine is: maker, product, serial, UUID, board, chassis; from SMBIOS, or the device tree without it. */
export function observe(system: System): Section | undefined {
  const smbios = readSmbios(system);
  const text = dmiText(system, smbios);
  const tree = (name: string) => known(system.read(`/sys/firmware/devicetree/base/${name}`));
  const manufacturer = text('sys_vendor', 1, 0x04);
  const product = text('product_name', 1, 0x05);
  return {
    manufacturer,
    product: product ?? tree('model'),
    version: text('product_version', 1, 0x06),
    serial: text('product_serial', 1, 0x07) ?? tree('serial-number'),
    uuid: knownUuid(system.read('/sys/class/dmi/id/product_uuid')) ?? uuidOf(smbios),
    sku: text('product_sku', 1, 0x19),
    family: text('product_family', 1, 0x1a),
    asset_tag: text('chassis_asset_tag', 3, 0x08),
    virtual: hypervisorOf(system, smbios, manufacturer, product),
    board: {
      manufacturer: text('board_vendor', 2, 0x04),
      product: text('board_name', 2, 0x05),
      version: text('board_version', 2, 0x06),
      serial: text('board_serial', 2, 0x07),
      asset_tag: text('board_asset_tag', 2, 0x08),
    },
    chassis: {
      manufacturer: text('chassis_vendor', 3, 0x04),
      type: chassisType(whole(system.read('/sys/class/dmi/id/chassis_type')) ?? chassisNumber(smbios)),
      version: text('chassis_version', 3, 0x06),
      serial: text('chassis_serial', 3, 0x07),
      sku: chassisSku(smbios),
    },
  };
}

function uuidOf(smbios: Smbios | undefined): string | undefined {
  const structure = smbios?.structures.find(({ type }) => type === 1);
  return smbios && structure && knownUuid(uuidAt(structure, 0x08, smbios.version));
}

// DSP0134, 7.4: behind the contained elements, which are n records of m bytes.
function chassisSku(smbios: Smbios | undefined): string | undefined {
  const structure = smbios?.structures.find(({ type }) => type === 3);
  if (structure === undefined) return undefined;
  const elements = (numberAt(structure, 0x13, 1) ?? 0) * (numberAt(structure, 0x14, 1) ?? 0);
  return known(stringAt(structure, 0x15 + elements));
}

// Bit 7 tells of a lock.
function chassisNumber(smbios: Smbios | undefined): number | undefined {
  const structure = smbios?.structures.find(({ type }) => type === 3);
  return structure && (numberAt(structure, 0x05, 1) ?? 0) & 0x7f;
}
