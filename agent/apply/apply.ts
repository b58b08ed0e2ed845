import { differences } from '../../shared/diff.ts';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import type { SshWanted } from '../../shared/sections/ssh.ts';
import type { Run } from '../command.ts';
import type { Facts } from '../facts.ts';
import { type Change, describeChange, order, type Section } from './change.ts';
import { writeFile } from './files.ts';
import { type HostnameWanted, planHostname, setHostname } from './hostname.ts';
import { planNetwork, reloadNetwork, silentGateway } from './network.ts';
import { checkRepos, planRepos } from './repos.ts';
import { confirmPending, lastUndone, readPending, restore, writePending } from './snapshot.ts';
import { planSsh, reloadSsh } from './ssh.ts';

/** The sections of a wanted state that are applied, and what they refer to. */
export interface Wanted {
  hostname?: HostnameWanted;
  network?: NetworkWanted;
  ssh?: SshWanted;
  repos?: ReposIntended;
  material?: Record<string, string>;
}

export interface ApplyOptions {
  /** Folder that stands for /. */
  root: string;
  /** The agent's state directory. */
  state: string;
  run: Run;
  wanted: Wanted;
  generation: number;
  mode: 'plan' | 'enforce';
  /** Looks at the machine anew. */
  observe: () => Facts;
  /** A signed round trip to the server; throws when it fails. */
  probe: () => Promise<void>;
  /** How long a change may be without confirmation, milliseconds. */
  deadlineMs: number;
  /** Milliseconds, forward only. */
  clock: () => number;
  sleep: (ms: number) => Promise<void>;
}

export interface Applied {
  outcome: 'same' | 'planned' | 'applied' | 'undone' | 'failed' | 'skipped';
  /** A text per file or command. */
  steps: string[];
  reason?: string;
}

const AGAIN_MS = 1000;
/** How long a machine may take until what was written shows. */
const SETTLE_MS = 15_000;

/**
 * Makes a machine be as wanted: plan, snapshot, write, reload, confirm, look again. What cannot be confirmed, or does not show,
 * is undone, and its generation is not tried again.
 */
export async function applyWanted(options: ApplyOptions): Promise<Applied> {
  const { root, state, wanted, generation, mode, run } = options;
  const facts = options.observe();
  const changes = planAll(root, wanted, facts);
  const differing = order.filter((section) => isDifferent(wanted, facts, section));
  const sections = order.filter(
    (section) => differing.includes(section) || changes.some((each) => each.section === section),
  );
  if (sections.length === 0) return { outcome: 'same', steps: [] };
  const steps = [...changes.map(describeChange), ...sections.map((section) => `reload ${section}`)];
  if (mode === 'plan') return { outcome: 'planned', steps };
  const undone = lastUndone(state);
  if (undone?.generation === generation && !undone.again) return { outcome: 'skipped', steps, reason: undone.reason };
  if (readPending(state) !== undefined) throw new Error('another change of this machine is not confirmed yet');
  const interfaces = Object.keys(wanted.network?.interfaces ?? {});
  writePending(root, state, { generation, sections, interfaces }, changes);
  arm(options);
  try {
    for (const { path, after, mode: bits } of changes) writeFile(root, path, after, bits);
    reload(run, root, sections, interfaces);
    if (sections.includes('network')) await confirm(options);
    await settle(options, sections);
    confirmPending(state);
  } catch (error) {
    const reason = (error as Error).message;
    undo(options, reason, error instanceof ServerAway);
    return { outcome: 'undone', steps, reason };
  }
  disarm(run);
  return { outcome: 'applied', steps };
}

/** Undoes what is pending, and lets the old files be in force. */
export function undo(
  { root, state, run }: Pick<ApplyOptions, 'root' | 'state' | 'run'>,
  reason: string,
  again = false,
): boolean {
  const pending = readPending(state);
  if (pending === undefined) return false;
  try {
    restore(root, state, reason, again);
  } finally {
    disarm(run);
    for (const section of pending.sections) {
      // One that fails must not keep the others from being as they were.
      try {
        reload(run, root, [section], pending.interfaces);
      } catch {}
    }
  }
  return true;
}

function planAll(root: string, wanted: Wanted, facts: Facts): Change[] {
  const { hostname, repos, ssh, network, material = {} } = wanted;
  const macs = Object.values(facts.sections.nics ?? {}).flatMap(({ name, mac }) =>
    name === undefined || mac === undefined ? [] : [[name, mac] as const],
  );
  return [
    ...(hostname === undefined ? [] : planHostname(root, hostname)),
    ...(repos === undefined ? [] : planRepos(root, repos, material)),
    ...(ssh === undefined ? [] : planSsh(root, ssh, material)),
    ...(network === undefined ? [] : planNetwork(root, network, Object.fromEntries(macs))),
  ];
}

function isDifferent(wanted: Wanted, facts: Facts, section: Section): boolean {
  return wanted[section] !== undefined && differences(wanted[section], facts.sections[section]).length > 0;
}

function reload(run: Run, root: string, sections: readonly Section[], interfaces: string[]): void {
  if (sections.includes('hostname')) setHostname(root);
  if (sections.includes('repos')) checkRepos(run, root);
  if (sections.includes('ssh')) reloadSsh(run);
  if (sections.includes('network')) reloadNetwork(run, root, interfaces);
}

/** The network is as far as can be told right, and the server does not answer over it. */
class ServerAway extends Error {}

/** A change of the network is right when the server answers over it, and every gateway that is wanted is there. */
async function confirm({ probe, clock, sleep, deadlineMs, run, wanted }: ApplyOptions): Promise<void> {
  const end = clock() + deadlineMs;
  for (;;) {
    const server = await probe().then(
      () => undefined,
      (error: Error) => error.message,
    );
    const gateway = silentGateway(run, wanted.network ?? {});
    if (server === undefined && gateway === undefined) {
      if (clock() <= end) return;
      throw new ServerAway('the server answered after the deadline only');
    }
    if (clock() + AGAIN_MS >= end) {
      if (gateway !== undefined) throw new Error(gateway);
      throw new ServerAway(`the gateway answers, but the server does not: ${server}`);
    }
    await sleep(AGAIN_MS);
  }
}

/** What was applied must show. */
async function settle({ wanted, observe, clock, sleep, deadlineMs }: ApplyOptions, sections: Section[]): Promise<void> {
  for (const end = clock() + Math.min(SETTLE_MS, deadlineMs); ; ) {
    const facts = observe();
    const [section] = sections.filter((each) => isDifferent(wanted, facts, each));
    if (section === undefined) return;
    if (clock() >= end) {
      const [first] = differences(wanted[section], facts.sections[section]);
      const got = first?.got === undefined ? 'nothing' : JSON.stringify(first.got);
      throw new Error(
        `${section}${first?.path} is ${got} after it was applied, wanted ${JSON.stringify(first?.expected)}`,
      );
    }
    await sleep(AGAIN_MS);
  }
}

const TIMER = 'machinedb-undo';

/** If this process dies, systemd undoes the change at the deadline; after a reset machinedb-recover.service does. */
function arm({ run, state, deadlineMs }: ApplyOptions): void {
  const seconds = Math.ceil((2 * deadlineMs + SETTLE_MS) / 1000);
  const undoing = ['/usr/bin/machinedb-agent', 'recover', '--reload', '--state', state];
  run('systemd-run', ['--quiet', '--collect', `--on-active=${seconds}`, `--unit=${TIMER}`, ...undoing]);
}

function disarm(run: Run): void {
  run('systemctl', ['stop', `${TIMER}.timer`]);
}
