import type { PciLink } from '../../shared/sections/pci.ts';
import type { System } from '../system.ts';
import { isAccelerator } from './accelerators.ts';
import { whole } from './numbers.ts';
import { once } from './once.ts';
import { type PciFunction, pciFunctions } from './pci.ts';

/** A link as its file says; speeds that power saving changes by itself are left out. */
type Measured = Pick<PciLink, 'speed_gts' | 'width' | 'max_speed_gts' | 'max_width'>;

/**
 * The PCIe links of all functions, and what each could be expected to run at: the least that the function and every port above
 * it can (PCI Express Base Specification, 7.5.3.6 and 7.5.3.8, as the kernel's current_link_* and max_link_* tell it). Where the
 * kernel says Unknown or x0, that hop is left out of the sum.
 * @returns link by address, for functions that have one
 */
export const pciLinks = once((system: System): Map<string, PciLink> => {
  const functions = pciFunctions(system);
  // An idle GPU lowers the speed of its link, and with it what the bridges above it say.
  const dynamic = new Set(functions.filter(isAccelerator).flatMap(({ address, above }) => [address, ...above]));
  const measured = new Map<string, Measured>();
  for (const { address, folder } of functions) {
    const link = measure(system, folder, dynamic.has(address));
    if (link !== undefined) measured.set(address, link);
  }
  const bridges = new Set(functions.filter(isBridge).map(({ address }) => address));
  const isPort = (each: PciFunction) => isBridge(each) && leadsDown(each.above.filter((above) => bridges.has(above)));
  const links = new Map<string, PciLink>();
  for (const each of functions) {
    const link = measured.get(each.address);
    if (link !== undefined) links.set(each.address, isPort(each) ? link : { ...link, ...expected(each, measured) });
  }
  return links;
});

function measure(system: System, folder: string, savesPower: boolean): Measured | undefined {
  const link = {
    speed_gts: savesPower ? undefined : gts(system.read(`${folder}/current_link_speed`)),
    width: lanes(system.read(`${folder}/current_link_width`)),
    max_speed_gts: gts(system.read(`${folder}/max_link_speed`)),
    max_width: lanes(system.read(`${folder}/max_link_width`)),
  };
  return Object.values(link).every((value) => value === undefined) ? undefined : link;
}

const isBridge = ({ class: pciClass }: PciFunction) => pciClass?.startsWith('0x0604') === true;

/**
 * A port that leads down is judged by what hangs on it. From the root complex on, ports that lead down and the upstream ports of
 * switches take turns: root port, upstream, downstream, upstream...
 */
const leadsDown = (bridgesAbove: string[]) => bridgesAbove.length % 2 === 0;

function expected({ address, above }: PciFunction, measured: Map<string, Measured>): Partial<PciLink> {
  // The nearest hop first, so that of two equal ones the device itself is named.
  const hops = [address, ...above.toReversed()].flatMap((hop) => {
    const link = measured.get(hop);
    return link === undefined ? [] : [{ hop, ...link }];
  });
  const least = (key: 'max_speed_gts' | 'max_width' | 'speed_gts' | 'width') =>
    hops.filter((hop) => hop[key] !== undefined).toSorted((a, b) => a[key]! - b[key]!)[0];
  const [speed, width, slowest, narrowest] = [
    least('max_speed_gts'),
    least('max_width'),
    least('speed_gts'),
    least('width'),
  ];
  const isBelow = (now: number | undefined, could: number | undefined) =>
    now !== undefined && could !== undefined && now < could;
  const narrow = isBelow(narrowest?.width, width?.max_width) ? narrowest?.hop : undefined;
  const slow = isBelow(slowest?.speed_gts, speed?.max_speed_gts) ? slowest?.hop : undefined;
  const limit = [width?.hop, speed?.hop].find((hop) => hop !== undefined && hop !== address);
  return {
    expected_speed_gts: speed?.max_speed_gts,
    expected_width: width?.max_width,
    limited_by: limit,
    degraded: narrow ?? slow,
  };
}

// '8.0 GT/s PCIe', '2.5 GT/s', 'Unknown speed', 'Unknown'.
function gts(text: string | undefined): number | undefined {
  const match = /^(\d{1,3}(?:\.\d)?) GT\/s/.exec(text ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

// 0 is "no link", 255 is what a function answers that has fallen off the bus.
function lanes(text: string | undefined): number | undefined {
  const width = whole(text);
  return width === 0 || width === 255 ? undefined : width;
}
