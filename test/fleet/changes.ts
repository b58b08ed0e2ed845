import { type Fault, faults } from './faults.ts';
import type { LabNode } from './lab-node.ts';

/** What a change needs of a machine. */
export type Changing = Pick<LabNode, 'machine' | 'faults' | 'report' | 'reboot' | 'stop' | 'open'>;

/** Something that goes on in the lab, and what ends it. */
export interface Change {
  node: Changing;
  told: string;
  begin(): Promise<void>;
  /** Undefined: nothing is left of it. */
  end?(): Promise<void>;
}

const hardware: Fault[] = [
  ...[faults.vanishedGpu, faults.narrowLink, faults.missingDimm],
  ...[faults.noCarrier, faults.wrongName, faults.swappedCables],
];

/**
 * What happens next: any of these, to any machine that nothing is happening to. Undefined: there is no such machine.
 *
 * @param busy machines that something is happening to; those that are different from the start are left alone, too
 */
export function nextChange(nodes: Changing[], busy: ReadonlySet<Changing>, random: () => number): Change | undefined {
  const idle = nodes.filter((each) => each.faults.size === 0 && !busy.has(each));
  const node = idle[Math.floor(random() * idle.length)];
  if (node === undefined) return undefined;
  const name = node.machine.place.fqdn;
  const kind = Math.floor(random() * (hardware.length + 2));
  const fault = hardware[kind];
  if (fault?.fits(node.machine)) return faulty(node, fault);
  if (kind === hardware.length) return { node, told: `${name}: boots again`, begin: () => node.reboot() };
  return {
    node,
    told: `${name}: falls silent`,
    begin: async () => node.stop(),
    end: () => node.open(),
  };
}

function faulty(node: Changing, fault: Fault): Change {
  return {
    node,
    told: `${node.machine.place.fqdn}: ${fault.told(node.machine)}`,
    async begin() {
      node.faults.add(fault);
      await node.report();
    },
    async end() {
      node.faults.delete(fault);
      await node.report();
    },
  };
}
