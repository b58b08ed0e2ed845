import { hashOf } from '../../shared/hash.ts';
import { isMembers } from '../../shared/merge.ts';

/** Sections that machines of one kind can be compared by, and what holds their parts: those are compared as a whole. */
const compared: Record<string, { parts?: string }> = {
  system: {},
  cpu: {},
  memory: { parts: 'dimms' },
  gpus: { parts: '' },
  nics: { parts: '' },
  disks: { parts: '' },
  firmware: {},
  bmc: {},
  tpm: {},
  os: {},
};

/**
 * Facts that are one machine's own - identity, place, name - or that change by themselves. A fact that is different on each
 * machine would never have a majority; this keeps the distinct sets of traits few.
 */
const own = new Set([
  ...['serial', 'uuid', 'guid', 'wwn', 'mac', 'name', 'asset_tag', 'address', 'addresses', 'gateway', 'hostname'],
  ...['host_address', 'bank', 'controller', 'namespace', 'label', 'partitions', 'arrays', 'affinity', 'cpus', 'pci'],
  ...['numa_node', 'slot', 'offline_cpus', 'kinds', 'boot_order', 'boot_entries', 'endorsement', 'rdma', 'functions'],
  ...['bond', 'bridge', 'vrf', 'vlans', 'link_layer', 'limited_by', 'degraded', 'dropped', 'truncated', 'note'],
  ...['command_line', 'installation_id', 'total_bytes', 'limited', 'boot_order_dropped', 'mig_slices'],
]);
/** Of single sections: what people set on each machine, or what its kernel counts. */
const ownOf: Record<string, Set<string>> = { system: new Set(['sku']), disks: new Set(['paths']) };

const MAX_TRAITS = 500;
const MAX_VALUE = 200;

/**
 * What of a machine can be compared with its like: fact → value. Parts are told as the values that all of them together have
 * (`gpus.link.width` is "7 x 16, 1 x 8"), so that no address or serial is in it.
 */
export function traitsOf(observed: Record<string, unknown>): Record<string, string> {
  const traits: [string, string][] = [];
  for (const [section, { parts }] of Object.entries(compared)) {
    const data = observed[section];
    if (!isMembers(data)) continue;
    const skipped = (key: string) => own.has(key) || ownOf[section]?.has(key) === true;
    const { [parts ?? '']: inside, ...plain } = data;
    if (parts !== '') for (const [path, value] of leaves(plain, skipped)) traits.push([`${section}.${path}`, value]);
    if (parts === undefined) continue;
    const found = Object.entries((parts === '' ? data : (inside ?? {})) as Record<string, unknown>)
      .filter(([key, part]) => key !== 'truncated' && isMembers(part) && part.transport !== 'usb')
      .map(([, part]) => part as Record<string, unknown>);
    const name = parts === '' ? section : `${section}.${parts}`;
    traits.push([`${name}.count`, String(found.length)]);
    const values = Map.groupBy(
      found.flatMap((part) => [...leaves(part, skipped)]),
      ([path]) => path,
    );
    for (const [path, list] of values) traits.push([`${name}.${path}`, tally(list.map(([, value]) => value))]);
  }
  return Object.fromEntries(traits.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_TRAITS));
}

/** The single values of an object, by path. */
function* leaves(
  data: Record<string, unknown>,
  skipped: (key: string) => boolean,
  path = '',
): Generator<[string, string]> {
  for (const [key, value] of Object.entries(data)) {
    if (skipped(key)) continue;
    if (isMembers(value)) yield* leaves(value, skipped, `${path}${key}.`);
    else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      yield [`${path}${key}`, String(value).slice(0, MAX_VALUE)];
  }
}

/** "7 x 16, 1 x 8". */
function tally(values: string[]): string {
  return [...Map.groupBy(values, (value) => value)]
    .sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))
    .map(([value, { length }]) => `${length} x ${value}`)
    .join(', ')
    .slice(0, 2 * MAX_VALUE);
}

/** Name of a set of traits: equal sets have the same. */
export const digestOf = (traits: Record<string, string>) => hashOf(traits).slice(0, 32);
