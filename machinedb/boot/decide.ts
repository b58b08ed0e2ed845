import type { BootAnswer, ImageManifest } from '../../shared/boot.ts';
import type { InstallProgress, Level, NodeState } from '../schema.ts';

/** Times that an install may fail before the machine waits for a person. */
export const ATTEMPTS = 3;
const AGAIN_S = 60;

/** What is known of the machine that asks. */
export interface BootNode {
  id: string;
  name: string;
  state: NodeState;
  level: Level;
  revoked: boolean;
  held: boolean;
  reinstall: number;
  installed: number;
  progress: InstallProgress | null;
  startsDisk: boolean;
  /** Wanted addresses of the card that asks, CIDR. */
  addresses: string[];
  /** Who is let in by a rescue, and until when, milliseconds since 1970. */
  rescue: { operator: string; until: number } | null;
  /** The way of one boot, until the node was seen to have gone it, or until a time. */
  once: { target: 'local' | 'discovery'; until: number; used: boolean } | null;
}

export interface BootFacts {
  /** Nodes with the MAC that asks. */
  nodes: BootNode[];
  /** The newest discovery image; undefined: none was built. */
  discovery: ImageManifest | undefined;
  /** What the kernel of the discovery image is told. */
  arguments: string[];
  /** Milliseconds since 1970. */
  now: number;
}

/** The word by which the discovery image learns that it was booted for a rescue. It lets nobody in: it makes the agent ask. */
export const RESCUE_WORD = 'machinedb.rescue=1';

/** Whether the newest install request failed so often that only a person makes it begin again. */
export function isGivenUp(reinstall: number, progress: InstallProgress | null): progress is InstallProgress {
  return progress?.generation === reinstall && progress.phase === 'failed' && progress.attempts >= ATTEMPTS;
}

/** How a machine boots that asks now, and why. Pure, and asked many times a boot. */
export function decideBoot({ nodes, discovery, arguments: words, now }: BootFacts): BootAnswer {
  const ways = waysOf(discovery, words);
  if (nodes.length > 1)
    return ways.local(`several nodes have this MAC (${nodes.map(({ id }) => id).join(', ')}): a person must look`);
  const [node] = nodes;
  if (node === undefined) return ways.discover('unknown machine: it is looked at');
  const answer = decideAsked(node, now, ways) ?? decideNode(node, ways);
  return { ...answer, node: node.id, name: node.name, state: node.state, addresses: node.addresses };
}

interface Ways {
  local: (reason: string) => BootAnswer;
  /** A disk of ours, which our loader finds; how somebody else's starts is the firmware's to know. */
  installed: (reason: string) => BootAnswer;
  discover: (reason: string) => BootAnswer;
  rescue: (reason: string) => BootAnswer;
}

function waysOf(discovery: ImageManifest | undefined, words: string[]): Ways {
  const local = (reason: string): BootAnswer => ({ spec: { kind: 'local' }, reason });
  const { kernel, initrd, loader, rescue } = discovery?.files ?? {};
  const way = 'machinedb image build discovery makes it';
  return {
    local,
    installed: (reason) => ({
      spec: { kind: 'local', ...(loader === undefined ? {} : { loader: loader.sha256 }) },
      reason,
    }),
    discover: (reason) =>
      kernel === undefined || initrd === undefined
        ? local(`${reason}, but there is no discovery image: ${way}`)
        : { spec: { kind: 'linux', kernel: kernel.sha256, initrd: initrd.sha256, arguments: words }, reason },
    rescue: (reason) => {
      if (kernel === undefined || initrd === undefined || rescue === undefined)
        return local(`${reason}, but there is no discovery image that has an SSH server: ${way}`);
      const files = { kernel: kernel.sha256, initrd: initrd.sha256, overlays: [rescue.sha256] };
      return { spec: { kind: 'linux', ...files, arguments: [...words, RESCUE_WORD] }, reason };
    },
  };
}

/** What a person asked for that ends by itself: it goes before all that a state says, but for a node that is trusted no more. */
function decideAsked({ state, revoked, rescue, once, installed }: BootNode, now: number, ways: Ways) {
  if (revoked || state === 'retired') return undefined;
  if (rescue !== null && now < rescue.until) return ways.rescue(`rescue by ${rescue.operator}`);
  if (once === null || once.used || now >= once.until) return undefined;
  const reason = `${once.target} is asked for, for one boot`;
  if (once.target === 'discovery') return ways.discover(reason);
  return installed > 0 ? ways.installed(reason) : ways.local(reason);
}

function decideNode(node: BootNode, { local, installed, discover }: Ways): BootAnswer {
  const { state, progress } = node;
  if (node.revoked) return local('it was revoked');
  if (state === 'retired' || state === 'broken' || state === 'maintenance') return local(`it is in state ${state}`);
  if (node.reinstall > node.installed) {
    if (node.level === 'claimed' || node.level === 'seen') return discover('it is not approved yet');
    if (node.held) return local('an install is asked for, but the node or the fleet is on hold');
    if (isGivenUp(node.reinstall, progress))
      return {
        spec: { kind: 'wait', seconds: AGAIN_S },
        reason: `install ${node.reinstall} failed ${progress.attempts} times (${progress.message}): ask for it again with machinedb reinstall, or take it back`,
      };
    return discover(`install ${node.reinstall} is asked for`);
  }
  if (node.installed > 0) return installed(`install ${node.installed} is done`);
  if (node.startsDisk) return local('it has an operating system of its own');
  if (state === 'discovered' || state === 'approved') return discover(`it is ${state}, and has nothing on its disk`);
  return local(`it is ${state}`);
}
