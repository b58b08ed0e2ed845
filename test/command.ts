import { commands } from '../machinedb/cli/commands.ts';
import { exitCodeOf } from '../machinedb/cli/failure.ts';
import { runPast } from '../machinedb/cli/history.ts';
import { runRevert } from '../machinedb/cli/revert.ts';
import { describe, runCommand, type Terminal } from '../machinedb/cli/run.ts';
import type { Client } from '../shared/client.ts';

/**
 * Runs a command of `machinedb` within this process: where many are tried, starting a program for each takes longer than all
 * the rest. The terminal is nobody's.
 */
export async function command(client: Client, ...argv: string[]): Promise<{ code: number; out: string; note: string }> {
  const [out, note]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    out: (text) => out.push(text),
    note: (text) => note.push(text),
    interactive: false,
    readInput: () => '',
  };
  const [first = '', second] = argv;
  let code = 0;
  try {
    const two = commands.find(({ words }) => words === `${first} ${second}`);
    const one = commands.find(({ words }) => words === first);
    if (first === 'diff' || first === 'blame') await runPast(() => client, first, argv.slice(1), terminal);
    else if (first === 'revert') await runRevert(() => client, argv.slice(1), terminal);
    else await runCommand(() => client, (two ?? one)!, argv.slice(two === undefined ? 1 : 2), terminal);
  } catch (error) {
    note.push(describe(error));
    code = exitCodeOf(error);
  }
  return { code, out: out.join('\n'), note: note.join('\n') };
}
