// Names of ARM CPUs by MIDR implementer and part (Linux: arch/arm64/include/asm/cputype.h); /proc/cpuinfo has numbers.
const vendors: Record<number, string> = {
  65: 'ARM',
  66: 'Broadcom',
  67: 'Cavium',
  70: 'Fujitsu',
  72: 'HiSilicon',
  78: 'NVIDIA',
  80: 'APM',
  81: 'Qualcomm',
  97: 'Apple',
  109: 'Microsoft',
  192: 'Ampere',
};

const parts: Record<string, string> = {
  '65:3331': 'Cortex-A53',
  '65:3333': 'Cortex-A55',
  '65:3335': 'Cortex-A57',
  '65:3336': 'Cortex-A72',
  '65:3337': 'Cortex-A73',
  '65:3339': 'Cortex-A76',
  '65:3340': 'Neoverse-N1',
  '65:3392': 'Neoverse-V1',
  '65:3393': 'Cortex-A78',
  '65:3401': 'Neoverse-N2',
  '65:3407': 'Neoverse-V2',
  '65:3456': 'Neoverse-V3',
  '65:3470': 'Neoverse-N3',
  '67:161': 'ThunderX',
  '67:175': 'ThunderX2',
  '70:1': 'A64FX',
  '72:3329': 'Kunpeng-920',
  '192:2755': 'Ampere-1',
  '192:2756': 'Ampere-1a',
};

/** Vendor and model of an ARM CPU; numbers this table lacks are given as numbers. */
export function armName(implementer: number, part: number): { vendor: string; model: string } {
  return {
    vendor: vendors[implementer] ?? `0x${implementer.toString(16)}`,
    model: parts[`${implementer}:${part}`] ?? `part 0x${part.toString(16)}`,
  };
}
