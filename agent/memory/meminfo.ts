/** A field of /proc/meminfo, or of a NUMA node's (whose lines begin with 'Node 0 '), in bytes. */
export function kibibytes(meminfo: string | undefined, field: string): number | undefined {
  const match = new RegExp(`^(?:Node \\d+ )?${field}:\\s*(\\d{1,12}) kB`, 'm').exec(meminfo ?? '');
  return match === null ? undefined : Number(match[1]) * 1024;
}
