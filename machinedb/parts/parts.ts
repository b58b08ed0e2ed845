import type { Disks } from '../../shared/sections/disks.ts';
import type { Gpus } from '../../shared/sections/gpus.ts';
import type { Memory } from '../../shared/sections/memory.ts';
import type { Nics } from '../../shared/sections/nics.ts';
import { isLocalMac, isOwnMac, serialText } from '../enrol/match.ts';
import type { PartKind } from './tables.ts';

/** A part of a machine that can be told from all others of its model. */
export interface Part {
  kind: PartKind;
  /** Serial number; of a network port its MAC (InfiniBand: GUID), of a disk without serial its WWN. */
  serial: string;
  /** Part number, else maker; empty when nothing tells. Serial numbers are unique only within it. */
  model: string;
  /** Where it is: name of the memory slot, or PCI address. Empty when nothing tells. */
  slot: string;
}

/** Sections that tell of parts. */
export const partSections: ReadonlySet<string> = new Set(['memory', 'gpus', 'nics', 'disks']);

const LONGEST = 200;

/** The parts that a section tells of. What has no serial number, or a placeholder, is no part. Null: there is no section. */
export function partsOf(section: string, data: unknown): Part[] {
  const found = data === null || data === undefined ? [] : read(section, data);
  const unique = new Map(found.map((part) => [`${partKey(part)}\n${part.slot}`, part]));
  return [...unique.values()].filter(({ serial }) => serial.length <= LONGEST);
}

function read(section: string, data: unknown): Part[] {
  if (section === 'memory') return entries((data as Memory).dimms).flatMap(([slot, dimm]) => dimmOf(slot, dimm));
  if (section === 'gpus') return entries(data as Gpus).flatMap(([slot, gpu]) => gpuOf(slot, gpu));
  if (section === 'nics') return entries(data as Nics).flatMap(([, nic]) => nicOf(nic));
  return section === 'disks' ? entries(data as Disks).flatMap(([, disk]) => diskOf(disk)) : [];
}

function dimmOf(slot: string, { serial, part, manufacturer }: NonNullable<Memory['dimms']>[string]): Part[] {
  return made('dimm', serial, part ?? manufacturer, slot);
}

function gpuOf(slot: string, { serial, uuid, model, device }: Gpus[string]): Part[] {
  return made('gpu', serialText(serial) ?? uuid, model ?? device, slot);
}

function nicOf({ mac, guid, pci, port, name }: Nics[string]): Part[] {
  const own = mac !== undefined && isOwnMac(mac.toLowerCase()) && !isLocalMac(mac) ? mac.toLowerCase() : guid;
  // An address that is made up at each boot, or by a hypervisor, is no card's.
  return made('nic', own, undefined, pci === undefined ? name : port === undefined ? pci : `${pci}/${port}`);
}

function diskOf({ serial, wwn, model, vendor, pci }: Disks[string]): Part[] {
  // What QEMU calls its disks when nobody names them.
  const own = serialText(serial);
  return made('disk', own === undefined || /^QM\d{5}$/.test(own) ? wwn : own, model ?? vendor, pci);
}

function made(kind: PartKind, serial: string | undefined, model: string | undefined, slot: string | undefined): Part[] {
  const own = serialText(serial);
  if (own === undefined) return [];
  const short = (text: string | undefined) => (text ?? '').trim().slice(0, LONGEST);
  return [{ kind, serial: own, model: short(model), slot: short(slot) }];
}

/** An agent's members are objects, but a newer one's may be something else. */
function entries<T>(members: Record<string, T> | undefined): [string, T][] {
  return Object.entries(members ?? {}).filter(([, member]) => member !== null && typeof member === 'object');
}

/** Names a part, wherever it is. */
export function partKey({ kind, serial, model }: Omit<Part, 'slot'>): string {
  return `${kind} ${serial}${model === '' ? '' : ` ${model}`}`;
}

export interface PartChange {
  arrived: Part[];
  left: Part[];
}

/** What a new version of a section says came, or went. */
export function partChange(section: string, before: unknown, now: unknown): PartChange {
  const [had, has] = [partsOf(section, before), partsOf(section, now)];
  const placed = (part: Part) => `${partKey(part)}\n${part.slot}`;
  const [hadKeys, hasKeys] = [new Set(had.map(placed)), new Set(has.map(placed))];
  return {
    arrived: has.filter((part) => !hadKeys.has(placed(part))),
    left: had.filter((part) => !hasKeys.has(placed(part))),
  };
}
