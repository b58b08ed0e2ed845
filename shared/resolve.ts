import { isMembers } from './merge.ts';
import type { HostnameIntended } from './sections/hostname.ts';
import type { NetworkIntended, NetworkWanted } from './sections/network.ts';
import type { Placement } from './sections/placement.ts';
import { keyringOf, type ReposIntended } from './sections/repos.ts';
import type { SshIntended, SshWanted } from './sections/ssh.ts';
import { parseSshKey } from './ssh-key.ts';

/** The intent of one node, all layers merged. */
export interface Intent {
  hostname?: HostnameIntended;
  network?: NetworkIntended;
  ssh?: SshIntended;
  repos?: ReposIntended;
  placement?: Placement;
  role?: Record<string, unknown>;
  tags?: Record<string, unknown>;
  image?: Record<string, unknown>;
  mode?: Record<string, unknown>;
}

/** A network row, as far as it matters to a node. */
export interface NetworkFacts {
  cidr: string;
  gateway?: string | undefined;
  dns: string[];
  domain?: string | undefined;
}

/** An address that was given out. `address` without prefix length. */
export interface Allocated {
  interface: string;
  label: string;
  network: string;
  address: string;
}

/** An address that the intent asks for. */
export interface Demand {
  interface: string;
  label: string;
  network: string;
  address?: string | undefined;
}

export interface ResolveInput {
  intent: Intent;
  /** Section → what the machine reported. */
  observed: Record<string, unknown>;
  allocations: Allocated[];
  networks: Record<string, NetworkFacts>;
  /** Fingerprint of the CA of SSH host keys; undefined: there is none. */
  sshCa?: string | undefined;
}

/** Something intended that cannot be had on this machine. */
export interface Unresolvable {
  section: string;
  path: string;
  message: string;
}

export interface Resolved {
  /** Section → what the machine should be, in its own names and comparable with what it reports. */
  wanted: Record<string, unknown>;
  problems: Unresolvable[];
}

/** The addresses that an intent asks for. */
export function demands(intent: Intent): Demand[] {
  return Object.entries(intent.network?.interfaces ?? {}).flatMap(([logical, { addresses }]) =>
    Object.entries(addresses ?? {}).map(([label, { network, address }]) => ({
      interface: logical,
      label,
      network,
      address,
    })),
  );
}

/**
 * What a node should be: merged intent in this machine's names, with the addresses that were given to it. `material` holds
 * what the sections only refer to: SSH keys by fingerprint, keyrings by path.
 */
export function resolve(input: ResolveInput): Resolved {
  const { intent } = input;
  const problems: Unresolvable[] = [];
  const hostname = resolveHostname(intent.hostname);
  const network = resolveNetwork(input, problems);
  const wanted: Record<string, unknown> = {
    hostname,
    network,
    ssh: resolveSsh(intent.ssh, input.sshCa, principalsOf(hostname, network), problems),
    repos: resolveRepos(intent.repos),
    material: materialOf(intent),
    placement: intent.placement,
    role: intent.role,
    tags: intent.tags,
    image: intent.image,
    mode: intent.mode,
  };
  return { wanted: withoutEmpty(wanted), problems };
}

function withoutEmpty(sections: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(sections).filter(([, data]) => isMembers(data) && Object.keys(data).length > 0),
  );
}

function resolveHostname(intended: HostnameIntended | undefined): Record<string, string> | undefined {
  const { hostname, domain } = intended ?? {};
  if (hostname === undefined) return undefined;
  return domain === undefined ? { hostname } : { hostname, domain, fqdn: `${hostname}.${domain}` };
}

function resolveNetwork(
  { intent, observed, allocations, networks }: ResolveInput,
  problems: Unresolvable[],
): NetworkWanted | undefined {
  const { interfaces = {}, dns } = intent.network ?? {};
  const result: NonNullable<NetworkWanted['interfaces']> = {};
  const used = new Set<string>();
  for (const [logical, intended] of Object.entries(interfaces).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = interfaceName(logical, intended.match, observed);
    if (name === undefined) {
      const message = `no port of this machine matches ${JSON.stringify(intended.match)}`;
      problems.push({ section: 'network', path: `/interfaces/${logical}`, message });
      continue;
    }
    if (result[name] !== undefined) {
      const message = `port ${name} of this machine is meant by another interface, too: let each match a port of its own`;
      problems.push({ section: 'network', path: `/interfaces/${logical}`, message });
      continue;
    }
    const mine = allocations.filter((allocation) => allocation.interface === logical);
    const from = mine.map(({ network }) => network).filter((network) => networks[network] !== undefined);
    for (const network of from) used.add(network);
    const gatewayOf = (six: boolean) =>
      from.map((network) => networks[network]!.gateway).find((gateway) => gateway?.includes(':') === six);
    result[name] = {
      ...(intended.mtu === undefined ? {} : { mtu: intended.mtu }),
      ...(intended.dhcp4 === true ? { dhcp4: true } : {}),
      ...(mine.length === 0
        ? {}
        : {
            addresses: Object.fromEntries(
              mine.map(({ address, network }) => [`${address}/${networks[network]?.cidr.split('/')[1]}`, {}]),
            ),
          }),
      ...optional('gateway', intended.gateway ?? firstDefault(result, 'gateway', gatewayOf(false))),
      ...optional('gateway6', intended.gateway6 ?? firstDefault(result, 'gateway6', gatewayOf(true))),
    };
  }
  const rows = [...used].map((network) => networks[network]!);
  const servers = dns?.servers ?? setOf(rows.flatMap((row) => row.dns));
  const search = dns?.search ?? setOf(rows.flatMap(({ domain }) => domain ?? []));
  const resolver = withoutEmpty({ servers, search });
  if (Object.keys(result).length === 0 && Object.keys(resolver).length === 0) return undefined;
  return {
    ...(Object.keys(result).length === 0 ? {} : { interfaces: result }),
    ...(Object.keys(resolver).length === 0 ? {} : { dns: resolver }),
  } as NetworkWanted;
}

/** A network's own gateway makes one default route: of the first interface, by name, that has such a network. */
function firstDefault(
  done: NonNullable<NetworkWanted['interfaces']>,
  key: 'gateway' | 'gateway6',
  gateway: string | undefined,
): string | undefined {
  return Object.values(done).some((other) => other[key] !== undefined) ? undefined : gateway;
}

function optional<Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };
}

function setOf(items: string[]): Record<string, true> {
  return Object.fromEntries(items.map((item) => [item, true as const]));
}

interface Port {
  name?: string;
  mac?: string;
  pci?: string;
  driver?: string;
}

/** The kernel's name of the port that an interface means; undefined when this machine has none such. */
export function interfaceName(
  logical: string,
  match: { mac?: string; name?: string; pci?: string; driver?: string } | undefined,
  observed: Record<string, unknown>,
): string | undefined {
  if (match === undefined) return logical;
  const { interfaces = {} } = (observed.network ?? {}) as { interfaces?: Record<string, Port> };
  const ports: Port[] = [
    ...Object.values((observed.nics ?? {}) as Record<string, Port>),
    ...Object.entries(interfaces).map(([name, port]) => ({ ...port, name })),
  ];
  const found = ports.find(
    (port) =>
      port.name !== undefined && Object.entries(match).every(([key, value]) => port[key as keyof Port] === value),
  );
  // A machine that has not reported its ports yet can still be told by name.
  return found?.name ?? (Object.keys(match).length === 1 ? match.name : undefined);
}

/** What a host certificate vouches for: the node's names and its fixed addresses. */
function principalsOf(hostname: Record<string, string> | undefined, network: NetworkWanted | undefined): string[] {
  const addresses = Object.values(network?.interfaces ?? {}).flatMap((port) => Object.keys(port.addresses ?? {}));
  return [hostname?.hostname, hostname?.fqdn, ...addresses.map((address) => address.split('/')[0])].filter(
    (name) => name !== undefined,
  );
}

function resolveSsh(
  intended: SshIntended | undefined,
  ca: string | undefined,
  principals: string[],
  problems: Unresolvable[],
): SshWanted | undefined {
  if (intended === undefined) return undefined;
  const { authorized_keys, host_certificate, ...rest } = intended;
  const certified = host_certificate === true && ca !== undefined && principals.length > 0;
  const settings = { ...rest, ...(certified ? { host_certificate: { ca, principals: setOf(principals) } } : {}) };
  if (authorized_keys === undefined) return settings;
  const users = Object.entries(authorized_keys).map(([user, keys]) => {
    const fingerprints = Object.entries(keys).flatMap(([label, line]) => {
      const fingerprint = parseSshKey(line)?.fingerprint;
      if (fingerprint === undefined)
        problems.push({
          section: 'ssh',
          path: `/authorized_keys/${user}/${label}`,
          message: 'this is not an SSH public key',
        });
      return fingerprint === undefined ? [] : [[fingerprint, {}]];
    });
    return [user, Object.fromEntries(fingerprints)];
  });
  return { ...settings, authorized_keys: Object.fromEntries(users) };
}

function resolveRepos(intended: ReposIntended | undefined): ReposIntended | undefined {
  if (intended?.apt === undefined) return intended;
  const apt = Object.entries(intended.apt).map(([name, { key, ...repository }]) => [
    name,
    key === undefined ? repository : { ...repository, signed_by: keyringOf(name) },
  ]);
  return { apt: Object.fromEntries(apt) };
}

function materialOf({ ssh, repos }: Intent): Record<string, string> {
  const lines = Object.values(ssh?.authorized_keys ?? {}).flatMap((keys) => Object.values(keys));
  const sshKeys = lines.flatMap((line) => {
    const fingerprint = parseSshKey(line)?.fingerprint;
    return fingerprint === undefined ? [] : [[fingerprint, line.trim()]];
  });
  const keyrings = Object.entries(repos?.apt ?? {}).flatMap(([name, { key }]) =>
    key === undefined ? [] : [[keyringOf(name), key]],
  );
  return Object.fromEntries([...sshKeys, ...keyrings]);
}
