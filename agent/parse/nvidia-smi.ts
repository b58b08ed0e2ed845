import { known } from './placeholder.ts';
import { childOf, childrenOf, type Element, parseXml } from './xml.ts';

/** What `nvidia-smi -q -x` tells of a GPU, without what changes by itself. */
export type NvidiaGpu = ReturnType<typeof gpuOf>;

/** More slices than any GPU has (7). */
const MOST_SLICES = 16;

/**
 * Reads `nvidia-smi -q -x` (nvsmi_device.dtd, versions 10 to 13).
 * @returns GPU by PCI address, as sysfs writes it: 0000:41:00.0
 * @throws for what is no such document; a GPU without an address is left out
 */
export function parseNvidiaSmi(document: string): Map<string, NvidiaGpu> {
  const log = parseXml(document);
  if (log.name !== 'nvidia_smi_log') throw new Error(`nvidia-smi answered ${log.name}, not nvidia_smi_log`);
  const driver = told(childOf(log, 'driver_version'));
  const gpus = childrenOf(log, 'gpu').flatMap((gpu) => {
    const address = addressOf(gpu);
    return address === undefined ? [] : [[address, gpuOf(gpu, driver)] as const];
  });
  return new Map(gpus);
}

function gpuOf(gpu: Element, driver: string | undefined) {
  const at = (...path: string[]) => told(childOf(gpu, ...path));
  const mig = onOff(at('mig_mode', 'current_mig'));
  return {
    model: at('product_name'),
    architecture: at('product_architecture'),
    uuid: at('uuid'),
    serial: at('serial'),
    board_part: at('board_part_number') ?? at('gpu_part_number'),
    vbios: at('vbios_version'),
    firmware: at('gsp_firmware_version'),
    memory_bytes: mebibytes(at('fb_memory_usage', 'total')),
    ecc: onOff(at('ecc_mode', 'current_ecc')),
    mig,
    mig_slices: mig === true ? slicesOf(gpu) : undefined,
    driver_version: driver,
  };
}

// 'N/A', '[N/A]', 'REDACTED' and '0000000000000' are what it writes where there is nothing.
function told(element: Element | undefined): string | undefined {
  const text = known(element?.text);
  return text === undefined || /^\[|^requested functionality|^redacted$|^unknown error$|^err!$/i.test(text)
    ? undefined
    : text;
}

// '00000000:41:00.0': the domain has eight digits there, and four in sysfs unless it needs more.
function addressOf(gpu: Element): string | undefined {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(gpu.attributes.id ?? '');
  return match === null ? undefined : `${match[1]!.replace(/^0+(?=.{4})/, '')}:${match[2]}`.toLowerCase();
}

function onOff(text: string | undefined): boolean | undefined {
  return text === 'Enabled' ? true : text === 'Disabled' ? false : undefined;
}

function mebibytes(text: string | undefined): number | undefined {
  const match = /^(\d{1,9}) MiB$/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]) * 1024 ** 2;
}

// 'GPU instance/compute instance' → its memory: what a slice is known by in `nvidia-smi -L`.
function slicesOf(gpu: Element) {
  const slices = childrenOf(childOf(gpu, 'mig_devices'), 'mig_device').slice(0, MOST_SLICES);
  return Object.fromEntries(
    slices.map((slice) => {
      const id = (name: string) => told(childOf(slice, name)) ?? childOf(slice, name)?.text ?? '';
      const memory_bytes = mebibytes(told(childOf(slice, 'fb_memory_usage', 'total')));
      return [`${id('gpu_instance_id')}/${id('compute_instance_id')}`, { memory_bytes }];
    }),
  );
}
