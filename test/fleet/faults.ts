import { type Machine, neighbor, type Sections } from './machine.ts';

/** What can be different in a machine. `alter` answers the sections that are others then. */
export interface Fault {
  kind: string;
  fits(machine: Machine): boolean;
  alter(machine: Machine, sections: Sections): Sections;
  /** In words, of this machine. */
  told(machine: Machine): string;
}

const always = () => true;
const first = (section: Record<string, unknown>) => Object.keys(section)[0]!;

function without(section: Record<string, unknown>, key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([name]) => name !== key));
}

const hasGpus = ({ sections }: Machine) => sections.gpus !== undefined;
/** The GPU that its faults are about: the third. */
const gpuOf = ({ sections }: Machine) => Object.keys(sections.gpus!)[2]!;

/** A link of half the lanes, at the device and at the port above it, as a bad riser leaves it. */
function narrow({ sections: made }: Machine, sections: Sections, address: string): Sections {
  const parent = made.pci![address] as { parent: string };
  const half = (device: unknown) => {
    const { link, ...rest } = device as { link: { width: number } };
    return { ...rest, link: { ...link, width: link.width / 2, degraded: parent.parent } };
  };
  const { pci, gpus } = sections as Record<string, Record<string, unknown>>;
  return {
    pci: { ...pci, [address]: half(pci![address]), [parent.parent]: half(pci![parent.parent]) },
    gpus: { ...gpus, [address]: half(gpus![address]) },
  };
}

export const faults = {
  oldBios: {
    kind: 'old BIOS',
    fits: always,
    alter: ({ place }, { firmware }) => ({
      firmware: { ...firmware, version: place.model.bios.old, date: '2025-02-14' },
    }),
    told: ({ place: { model } }) => `BIOS ${model.bios.old}, where its siblings have ${model.bios.version}`,
  },
  missingDimm: {
    kind: 'missing DIMM',
    fits: always,
    alter: (_, { memory }) => {
      const { dimms, total_bytes } = memory as { dimms: Record<string, { size_bytes: number }>; total_bytes: number };
      const gone = first(dimms);
      const left = total_bytes - Math.floor(dimms[gone]!.size_bytes * 0.98);
      return { memory: { ...memory, empty_slots: 1, total_bytes: left, dimms: without(dimms, gone) } };
    },
    told: ({ sections: { memory } }) => `the module in ${first(memory!.dimms as never)} is gone`,
  },
  narrowLink: {
    kind: 'narrow link',
    fits: hasGpus,
    alter: (machine, sections) => narrow(machine, sections, gpuOf(machine)),
    told: (machine) => `the link of GPU ${gpuOf(machine)} runs x8 of x16`,
  },
  vanishedGpu: {
    kind: 'vanished GPU',
    fits: hasGpus,
    alter: (machine, { pci, gpus }) => ({
      pci: without(pci!, gpuOf(machine)),
      gpus: without(gpus!, gpuOf(machine)),
    }),
    told: (machine) => `GPU ${gpuOf(machine)} has fallen off the bus`,
  },
  wrongName: {
    kind: 'wrong name',
    fits: always,
    alter: (_, { hostname }) => ({ hostname: { ...without(hostname!, 'fqdn'), hostname: 'debian', static: 'debian' } }),
    told: () => 'it calls itself debian',
  },
  noCarrier: {
    kind: 'no carrier',
    fits: always,
    alter: (_, { nics, lldp }) => {
      const [mac, port] = Object.entries(nics as Record<string, { kind: string; name: string }>)
        .filter(([, { kind }]) => kind === 'ethernet')
        .at(-1)!;
      return {
        nics: { ...nics, [mac]: { ...port, link: false, speed_mbps: undefined } },
        lldp: without(lldp!, port.name),
      };
    },
    told: () => 'its last port has no link',
  },
  swappedCables: {
    kind: 'swapped cables',
    fits: always,
    // With the machine above or below it, so that two of them have each other's cable.
    alter: ({ place }, { lldp }) => ({
      lldp: { ...lldp, [first(lldp!)]: neighbor({ ...place, slot: place.slot ^ 1 }, 0) },
    }),
    told: ({ place: { slot } }) => `its first port hangs at Ethernet${(slot ^ 1) + 1}, not Ethernet${slot + 1}`,
  },
} satisfies Record<string, Fault>;

/** How machines differ from the beginning, by their numbers: a few of many, as in a fleet of some age. */
export function firstFaults(index: number): Fault[] {
  return [
    ...(index % 16 === 5 ? [faults.oldBios] : []),
    ...(index % 25 === 7 ? [faults.missingDimm] : []),
    ...(index % 56 === 17 ? [faults.narrowLink] : []),
    ...(index % 28 === 11 ? [faults.wrongName] : []),
    ...(index % 56 === 22 || index % 56 === 23 ? [faults.swappedCables] : []),
  ];
}

/** What a machine reports with these faults. */
export function sectionsWith(machine: Machine, present: Iterable<Fault>): Sections {
  let sections = machine.sections;
  for (const fault of present) sections = { ...sections, ...fault.alter(machine, sections) };
  return sections;
}
