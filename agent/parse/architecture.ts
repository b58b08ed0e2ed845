import type { System } from '../system.ts';

/**
 * The machine's architecture as uname(2) names it. /proc/sys/kernel/arch exists since Linux 6.1; before, it is told
 * from the shape of /proc/cpuinfo, so that a captured tree answers the same as the machine.
 */
export function architectureOf(system: System): string | undefined {
  const told = system.read('/proc/sys/kernel/arch')?.trim();
  if (told) return told;
  const cpuinfo = system.read('/proc/cpuinfo') ?? '';
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1];
  if (flags !== undefined) return / lm( |$)/.test(flags) ? 'x86_64' : 'i686';
  if (/^CPU architecture\s*:\s*(8|AArch64)/m.test(cpuinfo)) return 'aarch64';
  if (/^isa\s*:\s*rv64/m.test(cpuinfo)) return 'riscv64';
  return undefined;
}
