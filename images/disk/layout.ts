export const SECTOR = 512;
const MIB = 1024 * 1024;

/** A partition: place and size in bytes. */
export interface Place {
  start: number;
  size: number;
}

export interface Layout {
  /** Bytes of the whole disk. */
  size: number;
  /** BIOS boot partition: GRUB's core image. */
  bios: Place;
  /** EFI system partition. */
  esp: Place;
  root: Place;
}

/** Where everything stands on a golden image's disk, for a root file system of `rootBytes` (a multiple of 1 MiB). */
export function layoutOf(rootBytes: number): Layout {
  const bios = { start: MIB, size: MIB };
  const esp = { start: 2 * MIB, size: 64 * MIB };
  const root = { start: esp.start + esp.size, size: rootBytes };
  // The backup GPT takes the last MiB.
  return { size: root.start + root.size + MIB, bios, esp, root };
}

/** The partition table as sfdisk(8) reads it. */
export function sfdiskScript({ bios, esp, root }: Layout): string {
  const line = ({ start, size }: Place, type: string, name: string) =>
    `start=${start / SECTOR}, size=${size / SECTOR}, type=${type}, name=${name}`;
  return [
    'label: gpt',
    line(bios, '21686148-6449-6E6F-744E-656564454649', 'bios'),
    line(esp, 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 'esp'),
    // Root, x86-64 (UAPI discoverable partitions specification).
    line(root, '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709', 'root'),
    '',
  ].join('\n');
}
