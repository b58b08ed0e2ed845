import { isMembers } from '../../shared/merge.ts';
import type { Happened } from './hardware.ts';

type Members = Record<string, unknown>;

/** Storage and network controllers, by PCI class; GPUs have a section of their own. */
const LINKED = /^0x0[12]/;

/** PCI Express links of GPUs, network and storage controllers that run at another width or speed than before. */
export function linkChanges(before: Members, changed: Members): Happened[] {
  const gpus = compareLinks('gpu', before.gpus, changed.gpus, () => true);
  const gpuAddresses = new Set(isMembers(changed.gpus) ? Object.keys(changed.gpus) : []);
  const others = compareLinks(
    'pci',
    before.pci,
    changed.pci,
    (part, address) => typeof part.class === 'string' && LINKED.test(part.class) && !gpuAddresses.has(address),
  );
  return [...gpus, ...others];
}

function compareLinks(
  part: Happened['part'],
  before: unknown,
  after: unknown,
  isMeant: (part: Members, address: string) => boolean,
): Happened[] {
  if (!isMembers(before) || !isMembers(after)) return [];
  return Object.entries(after).flatMap(([slot, now]): Happened[] => {
    const was = before[slot];
    if (!isMembers(was) || !isMembers(now) || !isMeant(now, slot) || !isSame(was, now)) return [];
    const differ = ['width', 'speed_gts'].flatMap((fact) => {
      const [a, b] = [linkOf(was, fact), linkOf(now, fact)];
      // A link that tells nothing sleeps, or its driver has gone: that is no change of its own.
      return a === undefined || b === undefined || a === b ? [] : [{ fact, a, b }];
    });
    if (differ.length === 0) return [];
    const pick = (side: 'a' | 'b') => Object.fromEntries(differ.map((each) => [each.fact, each[side]]));
    const fell = differ.some(({ a, b }) => b < a);
    return [{ what: fell ? 'link_fell' : 'link_rose', part, slot, before: pick('a'), after: pick('b') }];
  });
}

/** Whether the same device is at the address. */
const isSame = (a: Members, b: Members) => a.vendor === b.vendor && a.device === b.device && a.serial === b.serial;

function linkOf(part: Members, fact: string): number | undefined {
  const value = isMembers(part.link) ? part.link[fact] : undefined;
  return typeof value === 'number' && value > 0 ? value : undefined;
}
