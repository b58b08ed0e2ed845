import type { Pci } from '../shared/sections/pci.ts';

type Function = Pci[string];

/** What people call the classes of PCI functions (PCI Code and ID Assignment Specification, 1). */
const classes: [prefix: string, word: string][] = [
  ['0x0108', 'nvme'],
  ['0x0106', 'sata'],
  ['0x0107', 'sas'],
  ['0x0104', 'raid'],
  ['0x01', 'storage'],
  ['0x0207', 'infiniband'],
  ['0x02', 'network'],
  ['0x03', 'display'],
  ['0x04', 'multimedia'],
  ['0x0604', 'bridge'],
  ['0x0b', 'processor'],
  ['0x0c03', 'usb'],
  ['0x10', 'encryption'],
  ['0x12', 'accelerator'],
];

/** Parts of the chipset that say nothing to people; a bridge with something behind it is drawn for that. */
const chipset = /^0x(05|06|07|08|0c05|11|ff)/;

/**
 * The PCIe tree for people: a line per function, what lies behind a bridge below it, links with what they run at, and what keeps
 * one from what it could be. Parts of the chipset are counted in the last line.
 */
export function pciTree(pci: Pci): string[] {
  const { truncated, ...functions } = pci;
  const below = new Map<string | undefined, string[]>();
  for (const [address, { parent }] of Object.entries(functions).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const place = parent !== undefined && parent in functions ? parent : undefined;
    below.set(place, [...(below.get(place) ?? []), address]);
  }
  const shown = (address: string): boolean =>
    !chipset.test(functions[address]?.class ?? '') || (below.get(address) ?? []).some(shown);
  let drawn = 0;
  const draw = (address: string, before: string, rest: string): string[] => {
    drawn += 1;
    const children = (below.get(address) ?? []).filter(shown);
    const lines = children.flatMap((child, index) => {
      const last = index === children.length - 1;
      return draw(child, `${rest}${last ? '└─ ' : '├─ '}`, `${rest}${last ? '   ' : '│  '}`);
    });
    return [`${before}${line(address, functions[address]!)}`, ...lines];
  };
  const lines = (below.get(undefined) ?? []).filter(shown).flatMap((address) => draw(address, '', ''));
  const others = Object.keys(functions).length - drawn + (truncated?.dropped ?? 0);
  return others === 0 || lines.length === 0 ? lines : [...lines, `and ${others} more functions`];
}

function line(
  address: string,
  { class: pciClass = '', vendor, device, driver, link, slot, numa_node }: Function,
): string {
  const word = classes.find(([prefix]) => pciClass.startsWith(prefix))?.[1] ?? pciClass;
  const ids = vendor && `${vendor.slice(2)}:${device?.slice(2) ?? '?'}`;
  const place = [slot && `slot ${slot}`, numa_node !== undefined && `node ${numa_node}`];
  return [address, word, ids, driver, ...place, linkText(link)].filter(Boolean).join('  ');
}

function linkText(link: Function['link']): string | undefined {
  if (link === undefined) return undefined;
  const { speed_gts, width, max_speed_gts, max_width, expected_speed_gts, expected_width, limited_by, degraded } = link;
  const now = text(speed_gts, width);
  const could = text(expected_speed_gts ?? max_speed_gts, expected_width ?? max_width);
  if (degraded !== undefined) return `${now}  DEGRADED at ${degraded}, expected ${could}`;
  return limited_by === undefined ? now : `${now}  limited by ${limited_by}, itself ${text(max_speed_gts, max_width)}`;
}

const text = (speed: number | undefined, width: number | undefined) =>
  [speed !== undefined && `${speed} GT/s`, width !== undefined && `x${width}`].filter(Boolean).join(' ');
