import { readFileSync, writeSync } from 'node:fs';
import { api } from '../../shared/api.ts';
import { runBootPreview } from './boot.ts';
import { commands } from './commands.ts';
import { connect, readConnection } from './connect.ts';
import { runEvents } from './events.ts';
import { exitCodeOf, exitCodes, Failure } from './failure.ts';
import { runImage } from './image.ts';
import { runIntent } from './intent.ts';
import { runInventory } from './inventory.ts';
import { runPxeCheck } from './pxe-check.ts';
import { runRescue } from './rescue.ts';
import { runRollout } from './rollout.ts';
import { describe, runCommand, type Terminal } from './run.ts';

const others = [
  ['intent get|put|delete|explain', 'Read and write intent: of the fleet, a site, a role, a rack or a node'],
  ['image build|verify|iso', 'Make an image and take it into the catalogue; check one; make a medium that boots it'],
  ['boot preview NODE', 'What a node would get if it booted now: boot script and cloud-init documents'],
  ['rescue NODE [--end]', 'Let one operator in by SSH, in the discovery image, until a time; or end that'],
  ['pxe check [INTERFACE]', 'Find what keeps machines from booting: ports, other DHCP servers, clock, disk, ...'],
  ['pxe --upstream URL', "Run a rack's relay: its boot service, which goes on while the service is away"],
  ['rollout show [ROLE]', 'Where the newest change of each role stands'],
  ['check FILE', 'Check assertions over nodes: 0 all hold, 1 some do not, 2 nothing could be checked'],
  ['profile put|from', 'Say what hardware a model or role is to have, in a file; make such a file from a node'],
  ['events [--follow]', 'What happened, in order'],
  ['inventory --list|--host NAME', "Ansible's inventory, as an inventory script prints it"],
];

function help(): string {
  const lines = [...commands.map(({ words, operation }) => [words, api[operation].summary]), ...others];
  const width = Math.max(...lines.map(([words]) => words!.length));
  return `usage: machinedb COMMAND [flags]; machinedb COMMAND --help tells a command's flags

${lines.map(([words, about]) => `  ${words!.padEnd(width)}  ${about}`).join('\n')}

--json prints JSON. The service is found by MACHINEDB_URL (https://127.0.0.1:4280), MACHINEDB_CA_FILE, and
MACHINEDB_TOKEN_FILE or MACHINEDB_TOKEN; without them by the state directory MACHINEDB_STATE (./.machinedb).
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unreachable, 6 refused.`;
}

async function main(
  argv: string[],
  environment: Record<string, string | undefined>,
  terminal: Terminal,
): Promise<void> {
  const [first, second] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return terminal.out(help());
  const connection = () => readConnection(environment);
  const client = () => connect(connection());
  if (first === 'intent') return await runIntent(client, argv.slice(1), terminal);
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
  if (first === 'pxe' && second === 'check') return await runPxeCheck(argv.slice(2), environment, terminal);
  // The boot service is loaded by those who run it.
  if (first === 'pxe') return await (await import('./pxe.ts')).runPxe(argv.slice(1), terminal);
  if (first === 'inventory') return await runInventory(client, argv.slice(1), terminal);
  const two = commands.find(({ words }) => words === `${first} ${second}`);
  const one = commands.find(({ words }) => words === first);
  if (two !== undefined) return await runCommand(client, two, argv.slice(2), terminal);
  if (one !== undefined) return await runCommand(client, one, argv.slice(1), terminal);
  throw new Failure(`there is no command "${first}": machinedb --help lists them`, exitCodes.usage);
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
