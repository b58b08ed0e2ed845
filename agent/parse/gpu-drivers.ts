import type { System } from '../system.ts';
import { whole } from './numbers.ts';
import { known } from './placeholder.ts';

/** What the amdgpu driver's files tell (kernel: Documentation/gpu/amdgpu). */
export function amdGpu(system: System, folder: string) {
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

/**
 * What NVIDIA's driver tells in its file: 'Model: \t\t NVIDIA A100-SXM4-40GB' and so on; what it has not read yet it writes as
 * '??' or 'N/A'.
 */
export function nvidiaGpu(system: System, address: string) {
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
