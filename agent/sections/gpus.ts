import type { Gpus } from '../../shared/sections/gpus.ts';
import { keyed } from '../parse/keyed.ts';
import { whole } from '../parse/numbers.ts';
import { isGpuClass, numaOf, type PciFunction, pciFunctions, pciLinkOf } from '../parse/pci.ts';
import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';

// The VGA of a BMC (ASPEED, Matrox, Huawei, Silicon Motion) or of a hypervisor (QEMU, Cirrus, VMware, VirtualBox,
// virtio, QXL, Hyper-V): whoever counts GPUs does not mean these. They stay in `pci`.
const bmcs = ['0x1a03', '0x102b', '0x19e5', '0x126f'];
const hypervisors = ['0x1234', '0x1013', '0x15ad', '0x80ee', '0x1af4', '0x1b36', '0x1414'];
const consoles = new Set([...bmcs, ...hypervisors]);

/** GPUs and accelerators by PCI address; what only the vendor's driver knows is absent without it. */
export function observe(system: System): Gpus | undefined {
  const found = pciFunctions(system)
    .filter((each) => isGpuClass(each.class))
    .map((each) => ({ keys: [each.address], value: gpu(system, each) }))
    .filter(({ value }) => value.kind === 'accelerator' || !consoles.has(value.vendor ?? ''));
  return found.length === 0 ? undefined : keyed(found);
}

function gpu(system: System, { address, folder, class: pciClass, driver, ids }: PciFunction) {
  return {
    kind: kindOf(pciClass),
    ...ids,
    driver,
    numa_node: numaOf(system, folder),
    link: pciLinkOf(system, folder, 'saves power'),
    ...amd(system, folder),
    ...nvidia(system, address),
  };
}

function kindOf(pciClass: string | undefined): string {
  if (pciClass?.startsWith('0x12')) return 'accelerator';
  return pciClass?.startsWith('0x0302') ? '3d' : 'display';
}

// Files of the amdgpu driver (kernel: Documentation/gpu/amdgpu).
function amd(system: System, folder: string) {
  const memory = whole(system.read(`${folder}/mem_info_vram_total`));
  if (memory === undefined) return {};
  return {
    model: known(system.read(`${folder}/product_name`)),
    serial: known(system.read(`${folder}/serial_number`)),
    uuid: known(system.read(`${folder}/unique_id`)),
    vbios: known(system.read(`${folder}/vbios_version`)),
    memory_bytes: memory,
  };
}

// 'Model: \t\t NVIDIA A100-SXM4-40GB' and so on; what the driver has not read yet it writes as '??' or 'N/A'.
function nvidia(system: System, address: string) {
  const text = system.read(`/proc/driver/nvidia/gpus/${address}/information`);
  if (text === undefined) return {};
  const field = (name: string) => {
    const value = known(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name}:`))
        ?.slice(name.length + 1),
    );
    return value?.includes('?') ? undefined : value;
  };
  const version = /Kernel Module(?: for \S+)?\s+(\d[\d.]*)/.exec(system.read('/proc/driver/nvidia/version') ?? '');
  return {
    model: field('Model'),
    uuid: field('GPU UUID'),
    vbios: field('Video BIOS'),
    firmware: field('GPU Firmware'),
    driver_version: version?.[1],
  };
}
