import type { Cpu } from '../../shared/sections/cpu.ts';
import { armName } from '../cpu/arm.ts';
import { caches } from '../cpu/caches.ts';
import { kinds } from '../cpu/kinds.ts';
import { formatList, parseList } from '../cpu/list.ts';
import { onlineCpus, topology } from '../cpu/topology.ts';
import { whole } from '../parse/numbers.ts';
import { known } from '../parse/placeholder.ts';
import type { System } from '../system.ts';

// What decides where software can run or how it is built; the other hundred flags follow from the model.
const flagsThatMatter = new Set(
  (
    'lm nx pdpe1gb x2apic vmx svm aes pclmulqdq sha_ni vaes sse4_2 avx avx2 avx512f avx512_bf16 avx512_fp16 avx_vnni ' +
    'amx_tile amx_bf16 amx_int8 rdrand sgx sev sev_es sev_snp tdx_guest hypervisor ' +
    'asimd pmull sha2 sha512 crc32 atomics sve sve2 bf16 i8mm rng sb'
  ).split(' '),
);

/** The processors: who made them, how many there are, how they are shared out. Never their present speed. */
export function observe(system: System): Cpu | undefined {
  const cpuinfo = system.read('/proc/cpuinfo') ?? '';
  const cpus = onlineCpus(system);
  if (cpuinfo === '' && cpus.length === 0) return undefined;
  const counts = topology(system, cpus, cpuinfo);
  const { cores = counts.threads, threads } = counts;
  const offline = offlineCpus(system);
  const smt = system.read('/sys/devices/system/cpu/smt/active')?.trim();
  const named = identity(cpuinfo);
  const found = caches(system, cpus);
  return {
    ...named,
    microcode: named.microcode ?? known(system.read(`/sys/devices/system/cpu/cpu${cpus[0]}/microcode/version`)),
    ...counts,
    smt: smt === undefined ? threads > cores : smt === '1',
    smt_control: known(system.read('/sys/devices/system/cpu/smt/control')),
    offline: offline.length || undefined,
    offline_cpus: offline.length === 0 ? undefined : formatList(offline),
    kinds: kinds(system, cpus, cpuinfo, found.l1d !== undefined && found.l1d.size_bytes === undefined),
    flags: flags(cpuinfo),
    caches: found,
  };
}

/** Who made the CPU and which it is, from the first processor of /proc/cpuinfo of x86, ARM, POWER or RISC-V. */
export function identity(cpuinfo: string): Cpu {
  // '0' is a stepping, though no name.
  const field = (key: string) => new RegExp(`^${key}[ \\t]*:[ \\t]*(.+)$`, 'm').exec(cpuinfo)?.[1]?.trim();
  const name = (key: string) => known(field(key));
  if (hexadecimal(field('CPU implementer')) !== undefined) {
    const number = (key: string) => hexadecimal(field(key)) ?? 0;
    const part = number('CPU part');
    const { vendor, model } = armName(number('CPU implementer'), part);
    const stepping = `r${number('CPU variant')}p${number('CPU revision')}`;
    return { vendor, model: name('model name') ?? model, model_number: part, stepping };
  }
  return {
    // 'vendor', 'family', 'cpu model': Itanium, LoongArch, MIPS. IBM Z has the machine's type only.
    vendor: name('vendor_id') ?? name('vendor'),
    model:
      name('model name') ??
      name('Model Name') ??
      name('cpu') ??
      name('cpu model') ??
      name('uarch') ??
      name('family') ??
      machineType(cpuinfo),
    family: whole(field('cpu family')),
    model_number: whole(field('model')),
    stepping: (field('stepping') ?? (field('cpu') && field('revision')))?.slice(0, 64),
    microcode: name('microcode'),
  };
}

// 0xd0c, or in decimal.
function hexadecimal(text: string | undefined): number | undefined {
  return text !== undefined && /^(0x[0-9a-f]{1,6}|\d{1,6})$/i.test(text) ? Number(text) : undefined;
}

function machineType(cpuinfo: string): string | undefined {
  const type = /^processor \d+:.*\bmachine = (\w+)/m.exec(cpuinfo)?.[1];
  return type === undefined ? undefined : known(`machine type ${type}`);
}

// Present, and neither online nor only missing from a captured tree.
function offlineCpus(system: System): number[] {
  const at = '/sys/devices/system/cpu';
  const present = parseList(system.read(`${at}/present`));
  const text = system.read(`${at}/online`);
  const online = new Set(parseList(text));
  return present.filter((cpu) => (text ? !online.has(cpu) : system.read(`${at}/cpu${cpu}/online`)?.trim() === '0'));
}

function flags(cpuinfo: string): Record<string, true> {
  const line = /^(?:flags|Features)[ \t]*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const found = line.split(' ').filter((flag) => flagsThatMatter.has(flag));
  return Object.fromEntries(found.sort().map((flag) => [flag, true]));
}
