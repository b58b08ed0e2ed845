import { isMembers } from '../../shared/merge.ts';

type Members = Record<string, unknown>;

/** One part of a machine, as far as a change of it is told. */
export interface Part {
  kind: 'gpu' | 'dimm' | 'disk' | 'nic';
  /** Where it is: PCI address, the board's name of the slot; of a disk its controller's address, or its own name. */
  slot: string;
  /** What tells it from others of its make; undefined: nothing does. */
  identity: string | undefined;
  /** What it is, for people and to tell makes apart. */
  what: Members;
  size_bytes: number | undefined;
}

interface Rule {
  kind: Part['kind'];
  section: string;
  /** Member of the section that holds the parts. */
  in?: string;
  slot: (part: Members, key: string) => string;
  identity: (part: Members, key: string) => unknown;
  what: string[];
  size?: string;
  /** Parts that come and go by themselves. */
  skip?: (part: Members) => boolean;
}

const rules: Rule[] = [
  {
    kind: 'gpu',
    section: 'gpus',
    slot: (_, key) => key,
    identity: ({ serial, uuid }) => serial ?? uuid,
    what: ['model', 'vendor', 'device', 'serial'],
    size: 'memory_bytes',
  },
  {
    kind: 'dimm',
    section: 'memory',
    in: 'dimms',
    slot: (_, key) => key,
    identity: ({ serial }) => serial,
    what: ['manufacturer', 'part', 'type', 'size_bytes', 'serial'],
    size: 'size_bytes',
  },
  {
    kind: 'disk',
    section: 'disks',
    // SAS and SATA disks share their controller's address: their own name is the better place.
    slot: ({ pci, transport, namespace }, key) =>
      transport === 'nvme' && typeof pci === 'string'
        ? `${pci}${namespace === undefined ? '' : `/${String(namespace)}`}`
        : key,
    identity: ({ serial, wwn }) => serial ?? wwn,
    what: ['model', 'transport', 'size_bytes', 'serial'],
    size: 'size_bytes',
    skip: ({ transport }) => transport === 'usb' || transport === 'mmc',
  },
  {
    kind: 'nic',
    section: 'nics',
    slot: ({ pci, port }, key) =>
      typeof pci === 'string' ? `${pci}${port === undefined ? '' : `/${String(port)}`}` : key,
    identity: ({ mac, guid }) => mac ?? guid,
    what: ['kind', 'driver', 'mac'],
    // Without a PCI address it is on USB, or no hardware.
    skip: ({ pci }) => pci === undefined,
  },
];

/** Sections that hold parts. */
export const partSections = rules.map(({ section }) => section);

/** The parts of one section; undefined: it was not reported, or was cut short, so that nobody knows. */
export function partsOf(section: string, data: unknown): Part[] | undefined {
  const rule = rules.find((each) => each.section === section);
  if (rule === undefined || !isMembers(data)) return undefined;
  const found = rule.in === undefined ? data : data[rule.in];
  if (!isMembers(found) || 'truncated' in found) return undefined;
  return Object.entries(found).flatMap(([key, part]) => {
    if (!isMembers(part) || rule.skip?.(part) === true) return [];
    const identity = rule.identity(part, key);
    const size = rule.size === undefined ? undefined : part[rule.size];
    return {
      kind: rule.kind,
      slot: rule.slot(part, key),
      identity: typeof identity === 'string' ? identity : undefined,
      what: Object.fromEntries(rule.what.flatMap((fact) => (part[fact] === undefined ? [] : [[fact, part[fact]]]))),
      size_bytes: typeof size === 'number' ? size : undefined,
    };
  });
}
