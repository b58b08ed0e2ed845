import type { Disks } from '../../shared/sections/disks.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';

type Disk = NonNullable<Disks[string]>;

const MOST_PARTITIONS = 128;

/** Labels that udev has found on disks and partitions: the kernel's name → label. */
export type Labels = Record<'label' | 'part_label', Map<string, string>>;

/** Labels of file systems and of partitions, by the links that udev makes. */
export function diskLabels(system: System): Labels {
  return { label: linked(system, '/dev/disk/by-label'), part_label: linked(system, '/dev/disk/by-partlabel') };
}

// One label on two disks has one link: it belongs to the one that udev saw last, which says nothing of the other.
function linked(system: System, folder: string): Map<string, string> {
  const found = system.list(folder).flatMap((name) => {
    const device = system.link(`${folder}/${name}`)?.split('/').at(-1);
    const label = known(unescaped(name));
    return device === undefined || label === undefined ? [] : [[device, label] as const];
  });
  return new Map(found);
}

// udev writes blanks and what else a path must not have as '\x20', byte for byte.
function unescaped(name: string): string {
  const bytes = name.replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return bytes === name ? name : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Partitions by number, as the kernel has them: it reads no disk for this. */
export function partitionsOf(system: System, folder: string, labels: Labels): Disk['partitions'] {
  const name = folder.split('/').at(-1) ?? '';
  const found = system.list(folder).flatMap((part) => {
    const number = part.startsWith(name) ? system.read(`${folder}/${part}/partition`) : undefined;
    const sectors = whole(system.read(`${folder}/${part}/size`));
    if (whole(number) === undefined) return [];
    const value = {
      size_bytes: sectors !== undefined && sectors < 2 ** 44 ? sectors * 512 : undefined,
      label: labels.label.get(part),
      part_label: labels.part_label.get(part),
    };
    return [{ keys: [number], value }];
  });
  return found.length === 0 ? undefined : keyed(found, MOST_PARTITIONS);
}

/**
 * Arrays of md that a disk or one of its partitions is a member of (kernel: Documentation/admin-guide/md.rst). How far a resync
 * is, and which member failed, change by themselves.
 */
export function arraysOf(system: System, folder: string): Disk['arrays'] {
  const name = folder.split('/').at(-1) ?? '';
  const places = [folder, ...system.list(folder).flatMap((part) => (part.startsWith(name) ? `${folder}/${part}` : []))];
  const names = new Set(
    places.flatMap((place) => system.list(`${place}/holders`)).filter((each) => /^md\w+$/.test(each)),
  );
  if (names.size === 0) return undefined;
  return Object.fromEntries(
    [...names].slice(0, MOST_PARTITIONS).map((array) => {
      const md = `/sys/block/${array}/md`;
      const sectors = whole(system.read(`/sys/block/${array}/size`));
      return [
        array,
        {
          level: known(system.read(`${md}/level`)),
          members: whole(system.read(`${md}/raid_disks`)),
          metadata: known(system.read(`${md}/metadata_version`)),
          uuid: known(system.read(`${md}/uuid`)),
          size_bytes: sectors === undefined || sectors === 0 ? undefined : sectors * 512,
        },
      ];
    }),
  );
}
