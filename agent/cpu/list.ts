/** CPUs in the kernel's list format: '0-3,8' → [0, 1, 2, 3, 8]. At most 65,536; what is not a list is empty. */
export function parseList(text: string | undefined): number[] {
  const cpus: number[] = [];
  for (const range of (text ?? '').trim().split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    if (cpus.length >= 65536) break;
    if (match === null) continue;
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    for (let cpu = first; cpu <= last && cpus.length < 65536; cpu++) cpus.push(cpu);
  }
  return cpus;
}

/** CPUs in the kernel's mask format, 32 bits a word, the highest first: '1,00000003' → [0, 1, 32]. */
export function parseMask(text: string | undefined): number[] {
  const cpus: number[] = [];
  const words = (text ?? '').trim().split(',').reverse().slice(0, 2048);
  for (const [index, word] of words.entries()) {
    const bits = Number.parseInt(word, 16) || 0;
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) cpus.push(index * 32 + bit);
  }
  return cpus;
}

/** Longest list of CPUs in a report, characters. */
const mostText = 4096;

/** CPUs as the kernel writes them: [0, 1, 2, 8] → '0-2,8'. A list too long for a report ends with ',...'. */
export function formatList(cpus: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const cpu of [...cpus].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && cpu <= last[1] + 1) last[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  const text = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
  return text.length <= mostText ? text : `${text.slice(0, text.lastIndexOf(',', mostText - 4))},...`;
}
