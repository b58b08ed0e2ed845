import type { BgpWanted } from '../../shared/sections/bgp.ts';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import type { SshWanted } from '../../shared/sections/ssh.ts';
import type { TimeIntended } from '../../shared/sections/time.ts';
import type { Run } from '../command.ts';
import type { Facts } from '../facts.ts';
import { checkBgp, planBgp, reloadBgp } from './bgp.ts';
import { establishedProblem } from './bgp-session.ts';
import type { Change, Section } from './change.ts';
import { type HostnameWanted, planHostname, setHostname } from './hostname.ts';
import { checkNetwork } from './network/check.ts';
import { linksToRemove } from './network/links.ts';
import { type Ask, deadNameServers } from './network/name-servers.ts';
import { prefix } from './network/networkd.ts';
import { duplicateAddress, missingRoutes, networkProblem } from './network/probe.ts';
import { configureAgain, leaveNetwork, reloadNetwork, restoreMtus } from './network/reload.ts';
import { rendererOf } from './network/renderer.ts';
import { planNetwork } from './network.ts';
import { planRepos } from './repos.ts';
import { checkRepos } from './repos-check.ts';
import type { Pending } from './snapshot.ts';
import { planSsh, reloadSsh } from './ssh.ts';
import { checkSsh } from './ssh-check.ts';
import { checkTime, planTime, reloadTime } from './time.ts';

/** The sections of a wanted state that are applied, and what they refer to. */
export interface Wanted {
  hostname?: HostnameWanted;
  network?: NetworkWanted;
  bgp?: BgpWanted;
  ssh?: SshWanted;
  repos?: ReposIntended;
  time?: TimeIntended;
  material?: Record<string, string>;
}

export interface Machine {
  /** Folder that stands for /. */
  root: string;
  run: Run;
}

/** What is asked until a change is right. */
export interface Proof extends Machine {
  wanted: Wanted;
  /** How name servers are asked; absent: by the network. */
  ask?: Ask | undefined;
}

/** How a section is made to be as wanted. */
export interface Applier {
  /** The files that have to change. Throws when this machine cannot be so. */
  plan(machine: Machine & { wanted: Wanted; facts: Facts }): Change[];
  /**
   * Has the section's own tool read the files before any is in its place. Throws what it refuses.
   *
   * `scratch` is a path to make folders after, and `changes` are the section's own.
   */
  check?(machine: Machine & { wanted: Wanted; facts: Facts; changes: Change[]; scratch: string }): void;
  /** What has to be done while the old files are still there. */
  leave?(machine: Machine & { pending: Pending }): void;
  /** Lets the files be in force, after a change or, `undoing`, after its undo. */
  reload(machine: Machine & { pending: Pending; undoing: boolean }): void;
  /** What is not there yet that has to be before a change is right, in words that name the cause. */
  problem?(machine: Proof): Promise<string | undefined> | string | undefined;
  /** Lets files that are in force be so once more, where something that they say is missing. */
  again?(machine: Proof): void;
}

/** Every section that is applied. The order is `order` of change.ts. */
export const appliers: Record<Section, Applier> = {
  hostname: {
    plan: ({ root, wanted }) => (wanted.hostname === undefined ? [] : planHostname(root, wanted.hostname)),
    reload: ({ root }) => setHostname(root),
  },
  time: {
    plan: ({ root, wanted }) => (wanted.time === undefined ? [] : planTime(root, wanted.time)),
    check: ({ run, changes }) => checkTime(run, changes),
    reload: ({ run, pending }) => reloadTime(run, pending),
  },
  repos: {
    plan: ({ root, wanted }) =>
      wanted.repos === undefined ? [] : planRepos(root, wanted.repos, wanted.material ?? {}),
    check: ({ run, changes, scratch }) => checkRepos(run, changes, scratch),
    // APT and dnf read their files whenever they run.
    reload: () => undefined,
  },
  ssh: {
    plan: ({ root, wanted }) => (wanted.ssh === undefined ? [] : planSsh(root, wanted.ssh, wanted.material ?? {})),
    check: ({ root, run, changes, scratch }) => checkSsh(root, run, changes, scratch),
    reload: ({ run }) => reloadSsh(run),
  },
  network: {
    plan: ({ root, wanted, facts }) =>
      wanted.network === undefined ? [] : planNetwork(root, wanted.network, macsOf(facts)),
    check({ root, run, wanted: { network = {} }, facts, changes, scratch }) {
      checkNetwork(root, run, rendererOf(root, network.unobserved?.renderer), changes, scratch);
      const duplicate = duplicateAddress(run, network, heldBy(facts));
      if (duplicate !== undefined) throw new Error(duplicate);
    },
    leave: ({ root, run, pending }) => leaveNetwork(root, run, pending.renderer),
    reload({ root, run, pending: { renderer, interfaces, links, mtus = {}, files }, undoing }) {
      const [from, to] = undoing ? [links.after, links.before] : [links.before, links.after];
      const remove = linksToRemove(from, to);
      const remake = remove.some((name) => to[name] !== undefined);
      try {
        const changed = new Set(files.map(({ path }) => path));
        const unchanged = interfaces.filter((name) => !changed.has(`${prefix}${name}.network`));
        reloadNetwork(root, run, { renderer, interfaces, unchanged, remove, remake });
      } finally {
        if (undoing) restoreMtus(run, mtus);
      }
    },
    problem: async ({ run, wanted: { network = {} }, ask }) =>
      networkProblem(run, network) ?? (await deadNameServers(network, ask)),
    again({ root, run, wanted: { network = {} } }) {
      const names = new Set(missingRoutes(run, network).map(({ name }) => name));
      configureAgain(run, rendererOf(root, network.unobserved?.renderer), [...names]);
    },
  },
  bgp: {
    plan: ({ root, wanted }) => (wanted.bgp === undefined ? [] : planBgp(root, wanted.bgp)),
    check: ({ run, changes }) => checkBgp(run, changes),
    reload: ({ root, run }) => reloadBgp(run, root),
    problem: ({ run, wanted }) => (wanted.bgp === undefined ? undefined : establishedProblem(run, wanted.bgp)),
  },
};

/** Permanent MAC by interface. */
function macsOf(facts: Facts): Record<string, string> {
  const macs = Object.values(facts.sections.nics ?? {}).flatMap(({ name, mac }) =>
    name === undefined || mac === undefined ? [] : [[name, mac] as const],
  );
  return Object.fromEntries(macs);
}

/** Addresses that the machine has now, without prefix lengths. */
function heldBy(facts: Facts): Set<string> {
  const interfaces = Object.values(facts.sections.network?.interfaces ?? {});
  return new Set(interfaces.flatMap(({ addresses = {} }) => Object.keys(addresses).map((cidr) => cidr.split('/')[0]!)));
}
