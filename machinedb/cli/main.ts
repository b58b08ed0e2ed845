import { readFileSync, writeSync } from 'node:fs';
import { runBootPreview } from './boot.ts';
import { runBulk } from './bulk.ts';
import { runCabling } from './cabling.ts';
import { commands } from './commands.ts';
import { connect, readConnection } from './connect.ts';
import { runEvents } from './events.ts';
import { exitCodeOf, exitCodes, Failure } from './failure.ts';
import { help, nounHelp, unknownCommand } from './help.ts';
import { runPast } from './history.ts';
import { runImage } from './image.ts';
import { runIntent } from './intent.ts';
import { runInventory } from './inventory.ts';
import { runMove } from './move.ts';
import { runPxeCheck } from './pxe-check.ts';
import { runQuarantineShow } from './quarantine.ts';
import { runRack } from './rack.ts';
import { runRescue } from './rescue.ts';
import { runRevert } from './revert.ts';
import { runRollout } from './rollout.ts';
import { describe, runCommand, type Terminal } from './run.ts';

async function main(
  argv: string[],
  environment: Record<string, string | undefined>,
  terminal: Terminal,
): Promise<void> {
  const [first, second] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return terminal.out(help());
  const connection = () => readConnection(environment);
  const client = () => connect(connection());
  const noun = nounHelp(argv);
  if (noun !== undefined) return terminal.out(noun);
  if (first === 'diff' || first === 'blame') return await runPast(client, first, argv.slice(1), terminal);
  if (first === 'revert') return await runRevert(client, argv.slice(1), terminal);
  if (first === 'intent') return await runIntent(client, argv.slice(1), terminal);
  if (first === 'bulk') return await runBulk(client, argv.slice(1), terminal);
  if (first === 'events') return await runEvents(client, connection, argv.slice(1), terminal);
  if (first === 'image' && ['build', 'verify', 'iso'].includes(second ?? ''))
    return await runImage(client, argv.slice(1), environment, terminal);
  if (first === 'rescue') return await runRescue(client, argv.slice(1), terminal);
  if (first === 'boot' && second === 'preview') return await runBootPreview(client, argv.slice(2), terminal);
  // What reads YAML is loaded by those who use it.
  if (first === 'check') return await (await import('./check.ts')).runCheck(client, argv.slice(1), terminal);
  if (first === 'profile' && ['put', 'from'].includes(second ?? ''))
    return await (await import('./profile.ts')).runProfile(client, argv.slice(1), terminal);
  if (first === 'rollout' && second === 'show') return await runRollout(client, argv.slice(2), terminal);
  if (first === 'move') return await runMove(client, argv.slice(1), terminal);
  if ((first === 'cable' && second === 'put') || ((first === 'cable' || first === 'port-place') && second === 'import'))
    return await runCabling(client, argv, terminal);
  if (first === 'rack' && (second === 'show' || second === 'power'))
    return await runRack(client, argv.slice(1), terminal);
  if (first === 'quarantine' && second === 'show') return await runQuarantineShow(client, argv.slice(2), terminal);
  if (first === 'pxe' && second === 'check') return await runPxeCheck(argv.slice(2), environment, terminal);
  // PostgreSQL's client is loaded by those who need it.
  if (first === 'backup' || first === 'restore')
    return await (await import('./backup.ts')).runBackup(argv, environment, terminal);
  // The boot service is loaded by those who run it.
  if (first === 'pxe') return await (await import('./pxe.ts')).runPxe(argv.slice(1), terminal);
  if (first === 'inventory') return await runInventory(client, argv.slice(1), terminal);
  const two = commands.find(({ words }) => words === `${first} ${second}`);
  const one = commands.find(({ words }) => words === first);
  if (two !== undefined) return await runCommand(client, two, argv.slice(2), terminal);
  if (one !== undefined) return await runCommand(client, one, argv.slice(1), terminal);
  throw new Failure(unknownCommand(first, second), exitCodes.usage);
}

// A reader that has seen enough (`| head`) is no failure.
function print(descriptor: number, text: string): void {
  const bytes = Buffer.from(`${text}\n`);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'EPIPE') process.exit(exitCodes.ok);
      if (code !== 'EAGAIN') throw error;
    }
  }
}

process.on('SIGINT', () => process.exit(130));
const terminal: Terminal = {
  out: (text) => print(1, text),
  note: (text) => print(2, text),
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  readInput: () => readFileSync(0, 'utf8'),
};
try {
  await main(process.argv.slice(2), process.env, terminal);
} catch (error) {
  terminal.note(`machinedb: ${describe(error)}`);
  process.exit(exitCodeOf(error));
}
