import { existsSync, readFileSync } from 'node:fs';
import { canonical } from '../shared/canonical.ts';
import type { SshWanted } from '../shared/sections/ssh.ts';
import { readHostCertificate } from '../shared/ssh-certificate.ts';
import { type Applied, applyWanted, undo, type Wanted } from './apply/apply.ts';
import { lastUndone } from './apply/snapshot.ts';
import { HOST_CERTIFICATE } from './apply/ssh.ts';
import { wantedOf } from './client/wanted.ts';
import type { Run } from './command.ts';
import { observeAll } from './facts.ts';
import type { Door, Duty } from './run.ts';
import type { System } from './system.ts';

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
}

const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';
const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key.pub';

/**
 * The duty of an installed node: to be as wanted, if its intent says so (mode `enforce`), or to tell what it would do (`plan`).
 * What an earlier run of the agent did not confirm is undone first.
 */
export function managementDuty(management: Management): Duty {
  const { root, state, run, log } = management;
  if (undo({ root, state, run }, 'the agent ended before the change was confirmed'))
    log('an unconfirmed change was undone');
  let told = '';
  const tell = async (door: Door, generation: number, applied: Applied) => {
    if (applied.outcome === 'skipped') return;
    const body = JSON.stringify({ generation, ...applied, reason: applied.reason?.slice(0, 1000) });
    if (body === told) return;
    if (applied.outcome !== 'same')
      log(`generation ${generation}: ${applied.outcome}${applied.reason === undefined ? '' : `, ${applied.reason}`}`);
    await door.send({ method: 'PUT', path: '/v1/self/applied', body });
    told = body;
  };
  return {
    async work(door) {
      await tellUndone(management, door);
      const signed = wantedOf(state, door.node, door.trust);
      const mode = (signed?.wanted.mode as { mode?: string } | undefined)?.mode;
      if (signed === undefined || (mode !== 'plan' && mode !== 'enforce')) return false;
      const undone = lastUndone(state);
      if (mode === 'enforce' && undone?.generation === signed.generation && !undone.again) return false;
      const wanted = await withCertificate(management, door, signed.wanted as Wanted, mode);
      const applied = await applyWanted({
        ...management,
        wanted,
        generation: signed.generation,
        mode,
        observe: () => observeAll(management.system),
        probe: door.roundTrip,
      }).catch((error: Error): Applied => ({ outcome: 'failed', steps: [], reason: error.message }));
      await tell(door, signed.generation, applied);
      return applied.outcome === 'applied' || applied.outcome === 'undone';
    },
  };
}

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

/** The wanted state with the certificate that its SSH section asks for: the one that is there, or a new one. */
async function withCertificate({ root, clock }: Management, door: Door, wanted: Wanted, mode: string): Promise<Wanted> {
  const asked = wanted.ssh?.host_certificate;
  if (asked === undefined || !existsSync(`${root}${HOST_KEY}`)) return wanted;
  const present = existsSync(`${root}${CERTIFICATE}`) ? readFileSync(`${root}${CERTIFICATE}`, 'utf8') : undefined;
  const kept = present !== undefined && isGood(present, asked, clock());
  if (!kept && mode !== 'enforce') return wanted;
  const certificate = kept ? present : await certify(door, readFileSync(`${root}${HOST_KEY}`, 'utf8'));
  return { ...wanted, material: { ...wanted.material, [HOST_CERTIFICATE]: certificate } };
}

async function certify(door: Door, hostKey: string): Promise<string> {
  const body = JSON.stringify({ public_key: hostKey.trim() });
  return (await door.send<{ certificate: string }>({ method: 'POST', path: '/v1/self/ssh-host-certificate', body }))
    .certificate;
}

/** Whether a certificate is by the CA, for these names, and less than half over. */
function isGood(line: string, asked: NonNullable<SshWanted['host_certificate']>, nowMs: number): boolean {
  const certificate = readHostCertificate(line);
  if (certificate === undefined || certificate.ca !== asked.ca) return false;
  const names = canonical([...certificate.principals].sort());
  const half = (certificate.validAfter + certificate.validBefore) / 2;
  return names === canonical(Object.keys(asked.principals).sort()) && nowMs / 1000 < half;
}
