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
}

export interface BootFacts {
  /** Nodes with the MAC that asks. */
  nodes: BootNode[];
  /** The newest discovery image; undefined: none was built. */
  discovery: ImageManifest | undefined;
  /** What the kernel of the discovery image is told. */
  arguments: string[];
}

/** Whether the newest install request failed so often that only a person makes it begin again. */
export function isGivenUp(reinstall: number, progress: InstallProgress | null): progress is InstallProgress {
  return progress?.generation === reinstall && progress.phase === 'failed' && progress.attempts >= ATTEMPTS;
}

/** How a machine boots that asks now, and why. Pure, and asked many times a boot. */
export function decideBoot({ nodes, discovery, arguments: words }: BootFacts): BootAnswer {
  const local = (reason: string): BootAnswer => ({ spec: { kind: 'local' }, reason });
  /** A disk of ours, which our loader finds; how somebody else's starts is the firmware's to know. */
  const installed = (reason: string): BootAnswer => {
    const loader = discovery?.files.loader?.sha256;
    return { spec: { kind: 'local', ...(loader === undefined ? {} : { loader }) }, reason };
  };
  const discover = (reason: string): BootAnswer => {
    const { kernel, initrd } = discovery?.files ?? {};
    if (kernel === undefined || initrd === undefined)
      return local(`${reason}, but there is no discovery image: machinedb image build discovery makes it`);
    return { spec: { kind: 'linux', kernel: kernel.sha256, initrd: initrd.sha256, arguments: words }, reason };
  };
  if (nodes.length > 1)
    return local(`several nodes have this MAC (${nodes.map(({ id }) => id).join(', ')}): a person must look`);
  const [node] = nodes;
  if (node === undefined) return discover('unknown machine: it is looked at');
  const answer = decideNode(node, local, installed, discover);
  return { ...answer, node: node.id, name: node.name, state: node.state, addresses: node.addresses };
}

function decideNode(
  node: BootNode,
  local: (reason: string) => BootAnswer,
  installed: (reason: string) => BootAnswer,
  discover: (reason: string) => BootAnswer,
): BootAnswer {
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
