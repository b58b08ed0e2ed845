import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { NetworkWanted } from '../shared/sections/network.ts';
import { networkProblem } from './apply/network/probe.ts';
import type { TrustStore } from './client/trust-store.ts';
import { wantedOf } from './client/wanted.ts';
import type { Run } from './command.ts';

/** agetty(8) shows it above the console's log-in. */
const ISSUE = '/run/issue.d/60-machinedb.issue';

/**
 * Says, once, on the console and in the log, what a node without its server sees of its network: one that was carried to
 * another rack is configured as before, says so, and guesses nothing.
 */
export function absenceNotice(machine: { root: string; state: string; run: Run; log: (message: string) => void }) {
  const { root, state, run, log } = machine;
  const file = join(root, ISSUE);
  let said = '';
  return {
    say(node: string, trust: TrustStore): void {
      const network = wantedOf(state, node, trust)?.wanted.network as NetworkWanted | undefined;
      const problem = network === undefined ? undefined : networkProblem(run, network);
      const text =
        problem === undefined
          ? 'the server does not answer; this machine is configured as it was last told'
          : `${problem}: does this machine stand in another rack, or is a cable elsewhere? It is configured as it was last told`;
      if (text === said) return;
      said = text;
      log(text);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `MachineDB: ${text}\n`);
    },
    /** The server answers. */
    end(): void {
      said = '';
      rmSync(file, { force: true });
    },
  };
}
