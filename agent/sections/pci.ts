import type { Pci } from '../../shared/sections/pci.ts';
import { keyed } from '../parse/keyed.ts';
import { hex, linkName, numaOf, pciFunctions, sriovOf } from '../parse/pci.ts';
import { pciLinks } from '../parse/pci-links.ts';
import type { System } from '../system.ts';

/** Physical PCI functions by address (kernel: Documentation/ABI/testing/sysfs-bus-pci). `config` is never read. */
export function observe(system: System): Pci | undefined {
  const functions = pciFunctions(system);
  if (functions.length === 0) return undefined;
  const slots = physicalSlots(system);
  const links = pciLinks(system);
  return keyed(
    functions.map(({ address, folder, above, class: pciClass, driver, ids }) => {
      const value = {
        class: pciClass,
        ...ids,
        revision: hex(system.read(`${folder}/revision`)),
        driver,
        numa_node: numaOf(system, folder),
        iommu_group: linkName(system, `${folder}/iommu_group`),
        slot: slots.get(address.replace(/\.\d$/, '')),
        parent: above.at(-1),
        link: links.get(address),
        sriov: sriovOf(system, folder),
      };
      return { keys: [address], value };
    }),
  );
}

// Slot names by domain:bus:device.
function physicalSlots(system: System): Map<string, string> {
  const base = '/sys/bus/pci/slots';
  const slots = new Map<string, string>();
  for (const name of system.list(base)) {
    const address = system.read(`${base}/${name}/address`)?.trim();
    if (address && !slots.has(address)) slots.set(address, name.slice(0, 64));
  }
  return slots;
}
