import { printable } from '../shared/printable.ts';
import type { Facts } from './facts.ts';
import { pciTree } from './pci-tree.ts';

type Part = string | number | false | undefined;
type Sections = Facts['sections'];

/** A report for people: a line per fact, columns aligned, safe for a terminal whatever hardware says its name is. */
export function formatFacts({ sections, errors }: Facts): string {
  const rows: [label: string, text: string][] = [
    ['machine', machine(sections)],
    ['hostname', words(sections.hostname?.fqdn ?? sections.hostname?.hostname)],
    ['os', words(sections.os?.name, sections.os?.kernel, sections.os?.architecture)],
    ['firmware', firmware(sections)],
    ['bmc', bmc(sections)],
    ['tpm', words(sections.tpm?.version, sections.tpm?.manufacturer, sections.tpm?.firmware)],
    ['cpu', cpu(sections)],
    ['memory', memory(sections)],
    ...each('gpu', sections.gpus, (id, gpu) => words(id, gpu.model ?? words(gpu.vendor, gpu.device), gpu.driver)),
    ...each('nic', sections.nics, (id, nic) =>
      words(nic.name, id, nic.link === false && 'no link', speed(nic.speed_mbps), nic.driver, nic.pci, within(nic)),
    ),
    ...Object.entries(sections.lldp ?? {}).flatMap(([port, neighbors]) =>
      each('cable', neighbors, (_, end) => words(port, 'to', end.system_name ?? end.chassis_id, end.port_id)),
    ),
    ...each('disk', sections.disks, (id, disk) =>
      words(disk.name, disk.model, id, bytes(disk.size_bytes), disk.transport),
    ),
    ...Object.entries(errors).map(([name, message]): [string, string] => ['not known', `${name}: ${message}`]),
  ];
  const shown = rows.filter(([, text]) => text !== '');
  const width = Math.max(...shown.map(([label]) => label.length));
  const lines = shown.map(([label, text]) => `${label.padEnd(width)}  ${printable(text)}\n`);
  const tree = pciTree(sections.pci ?? {}).map((line) => `${printable(line)}\n`);
  return [...lines, ...(tree.length > 0 && lines.length > 0 ? ['\n'] : []), ...tree].join('');
}

/** What a port is part of. */
function within({ bond, bridge, vrf }: { bond?: string; bridge?: string; vrf?: string }): string | undefined {
  const of = bond ?? bridge ?? vrf;
  return of && `in ${of}`;
}

function machine({ system }: Sections): string {
  const serial = system?.serial && `serial ${system.serial}`;
  return words(system?.manufacturer, system?.product, serial, system?.virtual && `virtual (${system.virtual})`);
}

function firmware({ firmware }: Sections): string {
  const secure = firmware?.secure_boot === true && 'secure boot';
  return words(firmware?.mode, firmware?.vendor, firmware?.version, firmware?.date, secure);
}

function bmc({ bmc }: Sections): string {
  const addresses = Object.keys(bmc?.addresses ?? {}).join(', ');
  return words(addresses, bmc?.mac, bmc?.manufacturer, bmc?.firmware && `firmware ${bmc.firmware}`, bmc?.interface);
}

function cpu({ cpu }: Sections): string {
  const counts = [many(cpu?.sockets, 'socket'), many(cpu?.cores, 'core'), many(cpu?.threads, 'thread')];
  return words(cpu?.model, counts.filter(Boolean).join(', '));
}

function memory({ memory, numa }: Sections): string {
  const modules = Object.keys(memory?.dimms ?? {}).length;
  const nodes = Object.keys(numa ?? {}).length;
  const slots = memory?.slots && `${modules} of ${memory.slots} slots`;
  return words(bytes(memory?.total_bytes), slots, nodes > 1 && many(nodes, 'NUMA node'));
}

// A section that was cut says by how much, under a name of its own.
function each<Item extends { dropped?: number }>(
  label: string,
  items: Record<string, Item> | undefined,
  line: (id: string, item: Item) => string,
): [string, string][] {
  return Object.entries(items ?? {}).map(([id, item]) => [
    label,
    item.dropped === undefined ? line(id, item) : `and ${item.dropped} more`,
  ]);
}

function words(...parts: Part[]): string {
  return parts.filter((part) => part !== undefined && part !== false && part !== '').join('  ');
}

function many(count: number | undefined, noun: string): string {
  return count === undefined ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function bytes(size: number | undefined): string {
  if (size === undefined) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(size, 1)) / 10)));
  const value = size / 1024 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

function speed(megabits: number | undefined): string {
  if (megabits === undefined) return '';
  return megabits >= 1000 ? `${megabits / 1000} Gb/s` : `${megabits} Mb/s`;
}
