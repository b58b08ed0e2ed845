import type { Disks } from '../../shared/sections/disks.ts';
import type { DiskRule } from '../../shared/sections/image.ts';

export interface ChosenDisk {
  /** The kernel's name: nvme0n1. */
  name: string;
  sizeBytes: number;
  /** What a person knows it by. */
  label: string;
}

/** Reached over a cable that anybody may plug: never without being named. */
const REMOVABLE = new Set(['usb', 'mmc']);

/**
 * The one disk that the rule allows and the image fits on.
 *
 * @param imageBytes size of the image on the disk
 * @throws Error that names the candidates when there is none, or more than one
 */
export function chooseDisk(disks: Disks, rule: DiskRule, imageBytes: number): ChosenDisk {
  const all = Object.values(disks).flatMap((disk) =>
    disk.name === undefined || disk.size_bytes === undefined
      ? []
      : [{ ...disk, name: disk.name, size_bytes: disk.size_bytes }],
  );
  const named = rule.serial !== undefined || rule.wwn !== undefined || rule.name !== undefined;
  const allowed = all.filter((disk) => meets(disk, rule) && (named || !REMOVABLE.has(disk.transport ?? '')));
  const describe = (list: typeof all) =>
    list.map(({ name, serial, size_bytes }) => `${name} (serial ${serial ?? 'none'}, ${size_bytes} bytes)`).join(', ');
  if (allowed.length === 0) {
    const has = all.length === 0 ? 'it has no disk' : `it has ${describe(all)}`;
    throw new Error(`no disk of this machine meets the rule ${JSON.stringify(rule)}: ${has}`);
  }
  if (allowed.length > 1)
    throw new Error(`several disks may be meant: ${describe(allowed)}. Name one in the intent: image.disk.serial`);
  const [disk] = allowed;
  if (disk!.size_bytes < imageBytes)
    throw new Error(`disk ${describe(allowed)} is too small: the image has ${imageBytes} bytes`);
  return { name: disk!.name, sizeBytes: disk!.size_bytes, label: disk!.serial ?? disk!.name };
}

function meets(disk: Disks[string], rule: DiskRule): boolean {
  const { min_bytes = 0, max_bytes = Number.MAX_SAFE_INTEGER, ...same } = rule;
  const size = disk.size_bytes ?? 0;
  if (size < min_bytes || size > max_bytes) return false;
  return Object.entries(same).every(([key, value]) => disk[key] === value);
}
