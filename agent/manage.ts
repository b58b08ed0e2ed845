import { canonical } from '../shared/canonical.ts';
import { absenceNotice } from './absence.ts';
import {
  type Applied,
  type ApplyOptions,
  applyWanted,
  mendWhileAway,
  proveBoot,
  standingOf,
  undo,
} from './apply/apply.ts';
import { arm } from './apply/arm.ts';
import type { Wanted } from './apply/sections.ts';
import { lastUndone, readPending } from './apply/snapshot.ts';
import { wantedOf } from './client/wanted.ts';
import type { Run } from './command.ts';
import type { Door, Duty } from './duty.ts';
import { observeAll } from './facts.ts';
import { withHostCertificate } from './host-certificate.ts';
import type { System } from './system.ts';
import { turnAsker } from './turn.ts';
import { proberOf } from './vrf.ts';

export interface Management {
  root: string;
  /** The agent's state directory. */
  state: string;
  system: System;
  run: Run;
  /** How long a change may be without confirmation, milliseconds. */
  deadlineMs: number;
  /** Milliseconds, forward only. */
  clock: () => number;
  sleep: (ms: number) => Promise<void>;
  log: (message: string) => void;
  /** Distinguishes this boot. */
  bootId: string;
  /** The agent's command that does one round trip to the server and ends. */
  probeCommand: string[];
  /** Has this process go on where the server is reached, if that is elsewhere. */
  move: () => void;
}

/**
 * How long what the files say may be on its way, after a boot or a cable that was out, before it is configured once more: a bridge with a
 * spanning tree has no carrier until it forwards, after twice its forward delay of 15 s (IEEE 802.1D), and addresses show with the carrier.
 */
const ON_ITS_WAY_MS = 45_000;

/**
 * The duty of an installed node: to be as wanted, if its intent says so (mode `enforce`), or to tell what it would do (`plan`).
 * What an earlier run of the agent did not confirm is undone first.
 */
export function managementDuty(management: Management): Duty {
  const { root, state, run, log, bootId } = management;
  if (readPending(state)?.boot === bootId) arm(management);
  else if (undo({ root, state, run }, 'the agent ended before the change was confirmed'))
    log('an unconfirmed change was undone');
  const absence = absenceNotice(management);
  const askTurn = turnAsker(log);
  let told = '';
  /** Since when what the files say does not show; milliseconds of the clock. */
  let missing: number | undefined;
  const tell = async (door: Door, generation: number, applied: Applied) => {
    if (applied.outcome === 'skipped') return;
    const body = JSON.stringify({ generation, ...applied, reason: applied.reason?.slice(0, 1000) });
    if (body === told) return;
    if (applied.outcome !== 'same')
      log(`generation ${generation}: ${applied.outcome}${applied.reason === undefined ? '' : `, ${applied.reason}`}`);
    await door.send({ method: 'PUT', path: '/v1/self/applied', body });
    told = body;
    if (applied.outcome === 'undone') toldUndone.add(canonical(lastUndone(state)));
  };
  return {
    away(node, trust) {
      // A VRF may have come or gone while the server was away.
      management.move();
      const signed = wantedOf(state, node, trust);
      if (signed !== undefined && modeOf(signed) === 'enforce')
        mendWhileAway({ ...management, wanted: signed.wanted as Wanted, observe: () => observeAll(management.system) });
      absence.say(node, trust);
    },
    async work(door) {
      absence.end();
      await tellUndone(management, door);
      const signed = wantedOf(state, door.node, door.trust);
      const mode = signed === undefined ? undefined : modeOf(signed);
      if (signed === undefined || (mode !== 'plan' && mode !== 'enforce')) return false;
      const undone = lastUndone(state);
      if (mode === 'enforce' && undone?.generation === signed.generation && !undone.again) return false;
      const optionsFor = async (as: 'plan' | 'enforce'): Promise<ApplyOptions> => ({
        ...management,
        wanted: await withHostCertificate(signed.wanted as Wanted, {
          ...{ root, mode: as, now: management.clock() },
          certify: (hostKey) => certify(door, hostKey),
        }),
        generation: signed.generation,
        mode: as,
        observe: () => observeAll(management.system),
        probe: proberOf(management, door.roundTrip),
        host: door.server.url.hostname,
      });
      const begun = readPending(state)?.boot === bootId;
      if (mode === 'enforce' && !begun) {
        const standing = standingOf(await optionsFor('plan'));
        missing = standing === 'missing' ? (missing ?? management.clock()) : undefined;
        if (missing !== undefined && management.clock() < missing + ON_ITS_WAY_MS) return false;
        if (standing !== 'same') {
          if (!(await askTurn(door, signed.generation))) return false;
          told = '';
        }
      }
      const options = await optionsFor(mode);
      const applied = await (begun ? proveBoot(options) : applyWanted(options)).catch(
        (error: Error): Applied => ({ outcome: 'failed', steps: [], reason: error.message }),
      );
      if (applied.outcome === 'applied') management.move();
      await tell(door, signed.generation, applied);
      return applied.outcome === 'applied' || applied.outcome === 'undone';
    },
  };
}

const modeOf = ({ wanted }: { wanted: Record<string, unknown> }) =>
  (wanted.mode as { mode?: string } | undefined)?.mode;

const toldUndone = new Set<string>();

/** What was undone while nobody could be told, as after a reset, is told once. */
async function tellUndone({ state }: Management, door: Door): Promise<void> {
  const undone = lastUndone(state);
  if (undone === undefined || toldUndone.has(canonical(undone))) return;
  const body = JSON.stringify({
    generation: undone.generation,
    outcome: 'undone',
    steps: [],
    reason: undone.reason.slice(0, 1000),
  });
  await door.send({ method: 'PUT', path: '/v1/self/applied', body });
  toldUndone.add(canonical(undone));
}

async function certify(door: Door, hostKey: string): Promise<string> {
  const body = JSON.stringify({ public_key: hostKey });
  return (await door.send<{ certificate: string }>({ method: 'POST', path: '/v1/self/ssh-host-certificate', body }))
    .certificate;
}
