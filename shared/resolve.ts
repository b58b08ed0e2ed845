import { interfaceName } from './match-port.ts';
import { isMembers } from './merge.ts';
import { bgpInput, resolveBgp } from './resolve-bgp.ts';
import { resolveCloudInit } from './resolve-cloud-init.ts';
import { resolveNetwork } from './resolve-network.ts';
import { reposMaterial, resolveRepos } from './resolve-repos.ts';
import { resolveSsh, sshMaterial } from './resolve-ssh.ts';
import { resolveTime } from './resolve-time.ts';
import type { BgpIntended } from './sections/bgp.ts';
import type { CloudInitIntended } from './sections/cloud-init.ts';
import type { HostnameIntended } from './sections/hostname.ts';
import type { NetworkIntended, NetworkWanted } from './sections/network.ts';
import type { Placement } from './sections/placement.ts';
import type { ReposIntended } from './sections/repos.ts';
import type { SshIntended } from './sections/ssh.ts';
import type { TimeIntended } from './sections/time.ts';

/** The intent of one node, all layers merged. */
export interface Intent {
  hostname?: HostnameIntended;
  network?: NetworkIntended;
  bgp?: BgpIntended;
  ssh?: SshIntended;
  repos?: ReposIntended;
  time?: TimeIntended;
  placement?: Placement;
  role?: Record<string, unknown>;
  tags?: Record<string, unknown>;
  image?: Record<string, unknown>;
  cloud_init?: CloudInitIntended;
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
  /** Key of the network. */
  network: string;
  address: string;
}

/** An address that the intent asks for. */
export interface Demand {
  interface: string;
  label: string;
  network: string;
  address?: string | undefined;
  /** The address follows from the rack unit, with this added to it. */
  offset?: number | undefined;
}

export interface ResolveInput {
  intent: Intent;
  /** Section → what the machine reported. */
  observed: Record<string, unknown>;
  allocations: Allocated[];
  /** By their keys. */
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
    Object.entries(addresses ?? {}).map(([label, { network, address, by, offset = 0 }]) => ({
      interface: logical,
      label,
      network,
      address,
      // A layer that gives the address is right, whatever another says of the unit.
      offset: by === 'unit' && address === undefined ? offset : undefined,
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
  const resolved = resolveNetwork(input, problems);
  // Half a network would take away what the machine has: without all its addresses and ports it is left alone.
  const cabled = hasPorts(intent, input.observed);
  const network = cabled && hasAll(demands(intent), input.allocations) ? resolved : undefined;
  const bgp = intent.bgp === undefined ? undefined : resolveBgp(bgpInput(input, resolved), problems);
  const wanted: Record<string, unknown> = {
    hostname,
    network,
    bgp: cabled ? bgp : undefined,
    ssh: resolveSsh(
      { intended: intent.ssh, observed: input.observed.ssh, ca: input.sshCa, names: namesOf(hostname, resolved) },
      problems,
    ),
    repos: resolveRepos(intent.repos, input.observed.repos),
    time: resolveTime(intent.time, input.observed.time),
    material: materialOf(intent),
    placement: intent.placement,
    role: intent.role,
    tags: intent.tags,
    image: intent.image,
    cloud_init: resolveCloudInit(intent, problems),
    mode: intent.mode,
  };
  return { wanted: withoutEmpty(wanted), problems };
}

function hasAll(asked: Demand[], allocations: Allocated[]): boolean {
  return asked.every((demand) =>
    allocations.some((given) => given.interface === demand.interface && given.label === demand.label),
  );
}

/** Whether each interface has its port: neighbours go and come back with the link, and a driver may be late, or give up. */
function hasPorts({ network }: Intent, observed: Record<string, unknown>): boolean {
  return Object.entries(network?.interfaces ?? {}).every(
    ([logical, { match }]) => match === undefined || interfaceName(logical, match, observed) !== undefined,
  );
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

/** What a host certificate vouches for: the node's names and its fixed addresses. */
export function namesOf(hostname: Record<string, string> | undefined, network: NetworkWanted | undefined): string[] {
  const addresses = Object.values(network?.interfaces ?? {}).flatMap((port) => Object.keys(port.addresses ?? {}));
  return [hostname?.hostname, hostname?.fqdn, ...addresses.map((address) => address.split('/')[0])].filter(
    (name) => name !== undefined,
  );
}

function materialOf({ ssh, repos }: Intent): Record<string, string> {
  return { ...sshMaterial(ssh), ...reposMaterial(repos) };
}
