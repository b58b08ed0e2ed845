import { posix } from 'node:path';
import type { System } from '../system.ts';
import { known } from './placeholder.ts';

/** What names one disk among all others. */
export interface DiskIdentity {
  vendor: string | undefined;
  model: string | undefined;
  serial: string | undefined;
  wwn: string | undefined;
  firmware: string | undefined;
}

/**
 * Identity of a disk as the kernel tells it.
 * @param folder the block device's
 * @param device the folder of the NVMe controller, SCSI device, virtio or MMC device that it belongs to
 */
export function diskIdentity(system: System, folder: string, device: string): DiskIdentity {
  const text = (path: string) => known(system.read(path));
  const ata = ataModel(system.readBytes(`${device}/vpd_pg89`));
  return {
    vendor: text(`${device}/vendor`)?.replace(/^0x.*/, '') || undefined,
    model: ata ?? text(`${device}/model`) ?? text(`${device}/name`),
    serial:
      text(`${device}/serial`) ??
      text(`${folder}/serial`) ??
      unitSerial(system.readBytes(`${device}/vpd_pg80`)) ??
      usbSerial(system, device),
    wwn: wwn(system.read(`${folder}/wwid`) ?? system.read(`${device}/wwid`)),
    firmware: text(`${device}/firmware_rev`) ?? text(`${device}/rev`) ?? text(`${device}/fwrev`),
  };
}

/** The unit serial number page of SCSI (SPC-5, 7.7.20): length in bytes 2 and 3, then ASCII. */
export function unitSerial(page: Buffer | undefined): string | undefined {
  if (page === undefined || page.length < 4 || page[1] !== 0x80) return undefined;
  return known(page.subarray(4, 4 + page.readUInt16BE(2)).toString('latin1'));
}

/**
 * The model out of the ATA information page (SAT-4, 12.4.2): IDENTIFY DEVICE begins at byte 60 and has the model in
 * words 27 to 46, the two characters of a word swapped. SCSI's own field cuts it to 16 characters.
 */
export function ataModel(page: Buffer | undefined): string | undefined {
  const start = 60 + 27 * 2;
  if (page === undefined || page.length < start + 40 || page[1] !== 0x89) return undefined;
  return known(
    Buffer.from(page.subarray(start, start + 40))
      .swap16()
      .toString('latin1'),
  );
}

// Only names that IEEE, NVMe or a UUID make unique; 't10.' and 'nvme.' are made of model and serial.
function wwn(text: string | undefined): string | undefined {
  const id = text?.trim().toLowerCase();
  if (id === undefined || !/^(naa\.|eui\.|uuid\.)[0-9a-f-]{16,36}$/.test(id)) return undefined;
  return /^[a-z]+\.0+$/.test(id) ? undefined : id;
}

// Bridges to USB seldom pass on the disk's serial, but have one themselves, in the USB device's folder.
function usbSerial(system: System, device: string): string | undefined {
  if (!device.includes('/usb')) return undefined;
  for (let folder = device; /\/usb\d+\//.test(folder); folder = posix.dirname(folder)) {
    if (system.read(`${folder}/idVendor`) !== undefined) return known(system.read(`${folder}/serial`));
  }
  return undefined;
}
