import type { Card, Model } from './models.ts';
import { type Place, placeOf } from './place.ts';

/** Sections as an agent reports them. */
export type Sections = Record<string, Record<string, unknown>>;

export interface Machine {
  index: number;
  place: Place;
  sections: Sections;
}

const GIB = 2 ** 30;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/** A machine as it left the factory: everything that tells it from its siblings follows from its number. */
export function makeMachine(index: number): Machine {
  const place = placeOf(index);
  const { model, fqdn } = place;
  const uuid = `1ab00000-0000-4000-8000-${hex(index, 12)}`;
  const cards = layOut(index, model);
  const ports = cards.filter(({ card }) => card.kind === 'ethernet');
  const sections: Sections = {
    system: {
      ...{ manufacturer: 'Lab Systems', product: model.product, serial: serialOf(index), uuid },
      board: { manufacturer: 'Lab Systems', product: `${model.product} board`, serial: `LB${hex(index, 6)}` },
      chassis: { manufacturer: 'Lab Systems', type: 'rack mount', serial: serialOf(index) },
    },
    cpu: cpuOf(model),
    memory: memoryOf(index, model),
    numa: numaOf(model),
    pci: Object.assign({}, ...cards.map(({ functions }) => functions)),
    gpus: gpusOf(index, cards),
    nics: nicsOf(cards),
    disks: disksOf(index, cards),
    firmware: { mode: 'uefi', vendor: 'Lab Systems', secure_boot: true, uefi_bits: 64, ...biosOf(model) },
    bmc: { interface: 'kcs', ipmi_version: '2.0', firmware: '1.74', mac: `02:1a:b2:${macTail(index)}` },
    tpm: { version: '2.0', manufacturer: 'IFX', firmware: '7.85.4555' },
    lldp: Object.fromEntries(ports.map(({ name }, i) => [name, neighbor(place, i)])),
    os: {
      ...{ distribution: 'debian', version: '12', codename: 'bookworm', name: 'Debian GNU/Linux 12 (bookworm)' },
      ...{ kernel: '6.1.0-40-amd64', architecture: model.cpu.architecture, init: 'systemd' },
    },
    hostname: { hostname: fqdn.split('.')[0], static: fqdn.split('.')[0], fqdn, domain: fqdn.replace(/^[^.]+\./, '') },
    network: { interfaces: { [ports[0]!.name]: addressesOf(index, ports[0]!.mac) } },
  };
  if (Object.keys(sections.gpus!).length === 0) delete sections.gpus;
  return { index, place, sections };
}

export const serialOf = (index: number) => `LAB${hex(index, 6).toUpperCase()}`;
const macTail = (value: number) => hex(value, 6).match(/../g)!.join(':');

interface Fitted {
  card: Card;
  /** Number among its kind. */
  n: number;
  address: string;
  name: string;
  mac: string;
  functions: Sections;
}

/** Each card behind a root port of its own, half of them at each socket. */
function layOut(index: number, { cards, cpu }: Model): Fitted[] {
  const list = cards.flatMap((card) => Array.from({ length: card.count }, (_, n) => ({ card, n })));
  return list.map(({ card, n }, i) => {
    const [port, bus] = [`0000:${hex(0x10 + 8 * i, 2)}:01.0`, 0x11 + 8 * i];
    const address = `0000:${hex(bus, 2)}:00.0`;
    const { speed_gts, width } = card;
    const link = { speed_gts, width, max_speed_gts: speed_gts, max_width: width };
    const numa_node = cpu.sockets === 1 ? 0 : Math.floor((2 * i) / list.length);
    const { class: kind, vendor, device, driver } = card;
    const functions = {
      [port]: { class: '0x060400', vendor: '0x1022', device: '0x14ab', driver: 'pcieport', numa_node, link },
      [address]: {
        ...{ class: kind, vendor, device, driver, numa_node, parent: port },
        link: { ...link, expected_speed_gts: speed_gts, expected_width: width },
      },
    };
    const name = card.kind === 'infiniband' ? `ibp${bus}s0` : `enp${bus}s0`;
    return { card, n, address, name, mac: `02:1a:b0:${macTail(index * 16 + n)}`, functions };
  });
}

function cpuOf({ cpu: { vendor, model, sockets, cores, smt } }: Model) {
  const threads = sockets * cores * (smt ? 2 : 1);
  return { vendor, model, sockets, cores: sockets * cores, threads, smt, microcode: '0xa101148' };
}

const biosOf = ({ bios }: Model) => ({ version: bios.version, date: bios.date });

function memoryOf(index: number, { dimms }: Model) {
  const { slots, size_gib, type, speed_mts } = dimms;
  const modules = Array.from({ length: slots }, (_, i) => [
    `DIMM_${'ABCDEFGH'[Math.floor((8 * i) / slots)]}${1 + (i % Math.ceil(slots / 8))}`,
    {
      ...{ size_bytes: size_gib * GIB, type, speed_mts, configured_mts: speed_mts, ecc: true, buffering: 'registered' },
      ...{ manufacturer: 'Lab Memory', part: `LM${size_gib}G${speed_mts}`, serial: `D${hex(index * 64 + i, 8)}` },
    },
  ]);
  const total_bytes = Math.floor(slots * size_gib * GIB * 0.98);
  return { total_bytes, slots, empty_slots: 0, error_correction: 'multi-bit', dimms: Object.fromEntries(modules) };
}

function numaOf({ cpu, dimms }: Model): Record<string, unknown> {
  const memory_bytes = Math.floor((dimms.slots * dimms.size_gib * GIB * 0.98) / cpu.sockets);
  const of = (socket: number) => `${socket * cpu.cores}-${(socket + 1) * cpu.cores - 1}`;
  return Object.fromEntries(
    Array.from({ length: cpu.sockets }, (_, socket) => [String(socket), { cpus: of(socket), memory_bytes }]),
  );
}

function gpusOf(index: number, cards: Fitted[]): Record<string, unknown> {
  const gpus = cards.filter(({ card }) => card.kind === 'gpu');
  return Object.fromEntries(
    gpus.map(({ card, n, address, functions }) => {
      const { vendor, device, driver, model, size } = card;
      const { link, numa_node } = functions[address]!;
      const serial = `16${hex(index * 8 + n, 10)}`;
      const versions = { driver_version: '570.86.15', vbios: '96.00.A5.00.01' };
      return [
        address,
        { kind: '3d', vendor, device, driver, model, memory_bytes: size * GIB, serial, link, numa_node, ...versions },
      ];
    }),
  );
}

function nicsOf(cards: Fitted[]): Record<string, unknown> {
  const ports = cards.filter(({ card: { kind } }) => kind === 'ethernet' || kind === 'infiniband');
  return Object.fromEntries(
    ports.map(({ card, name, mac, address }) => {
      const guid = `0002:1ab0:${mac.slice(9).replaceAll(':', '')}:0000`;
      const common = { name, kind: card.kind, driver: card.driver, link: true, pci: address };
      return card.kind === 'infiniband'
        ? [guid, { ...common, guid, speed_mbps: card.size * 1000 }]
        : [mac, { ...common, mac, mtu: 1500, speed_mbps: card.size * 1000, duplex: 'full', port: 0 }];
    }),
  );
}

function disksOf(index: number, cards: Fitted[]): Record<string, unknown> {
  const found = cards.flatMap(({ card, n, address }) => {
    const common = { model: card.model, size_bytes: card.size * GIB, logical_sector_bytes: 512, pci: address };
    if (card.kind === 'nvme') {
      const serial = `LN${hex(index * 4 + n, 8)}`;
      return [{ ...common, name: `nvme${n}n1`, serial, rotational: false, transport: 'nvme' }];
    }
    return Array.from({ length: card.disks ?? 0 }, (_, i) => {
      const [serial, name] = [`LH${hex(index * 32 + i, 8)}`, `sd${String.fromCharCode(97 + i)}`];
      return { ...common, name, serial, rotational: true, transport: 'sas' };
    });
  });
  return Object.fromEntries(found.map((disk) => [disk.serial, disk]));
}

/** What the rack's switch of this side says to the port that the machine's slot belongs to. */
export function neighbor({ site, rack, slot }: Pick<Place, 'site' | 'rack' | 'slot'>, side: number) {
  const name = `leaf-${'ab'[side]}.${rack}.${site}`;
  const chassis = `02:1a:b1:${macTail(2 * (Number(site.slice(3)) * 1000 + Number(rack.slice(1))) + side)}`;
  const port = `Ethernet${slot + 1}`;
  return {
    [`${chassis} ${port}`]: {
      ...{ chassis_id: chassis, chassis_id_subtype: 'mac', system_name: name },
      ...{ port_id: port, port_id_subtype: 'interface_name' },
    },
  };
}

function addressesOf(index: number, mac: string) {
  const address = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return {
    ...{ kind: 'physical', mac, mtu: 1500, gateway: '10.100.0.1' },
    addresses: { [`${address}/12`]: { family: 'ipv4' } },
  };
}
