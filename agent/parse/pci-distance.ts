import type { PciFunction } from './pci.ts';

/** Peers whose way to a GPU matters: networks (class 02), NVMe (0108) and other accelerators, which the caller knows. */
const isPeer = ({ class: pciClass }: PciFunction) => /^0x(02|0108)/.test(pciClass ?? '');

const MOST_PEERS = 256;

/** Functions whose way to an accelerator matters, in their order: networks, NVMe and accelerators. */
export const peersOf = (functions: PciFunction[], isGpu: (each: PciFunction) => boolean): PciFunction[] =>
  functions.filter((each) => isPeer(each) || isGpu(each));

/**
 * How far it is from one function to others, in the words of `nvidia-smi topo`: PIX (at most one switch between them), PXB
 * (several switches), PHB (the same root of the PCI tree), NODE (the same NUMA node), SYS (across NUMA nodes).
 * @returns word by address of the peer; of the first 256 peers
 */
export function distances(
  from: PciFunction,
  peers: PciFunction[],
  nodeOf: (each: PciFunction) => number | undefined,
): Record<string, string> | undefined {
  const others = peers.filter((each) => each.address !== from.address).slice(0, MOST_PEERS);
  const found = others.flatMap((peer) => {
    const word = between(from, peer, nodeOf);
    return word === undefined ? [] : [[peer.address, word] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function between(
  a: PciFunction,
  b: PciFunction,
  nodeOf: (each: PciFunction) => number | undefined,
): string | undefined {
  const shared = a.above.findIndex((hop, index) => b.above[index] !== hop);
  const common = shared === -1 ? a.above.length : shared;
  // Two functions of one device on a root bus share nothing above them.
  if (common > 0 || a.address.slice(0, -2) === b.address.slice(0, -2)) {
    return Math.max(a.above.length, b.above.length) - common <= 1 ? 'PIX' : 'PXB';
  }
  if (a.host !== undefined && a.host === b.host) return 'PHB';
  const [node, other] = [nodeOf(a), nodeOf(b)];
  // Firmware that tells no nodes may keep several from us.
  if (node === undefined || other === undefined) return undefined;
  return node === other ? 'NODE' : 'SYS';
}
