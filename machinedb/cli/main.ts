import { readFileSync, writeSync } from 'node:fs';
import { api } from '../../shared/api.ts';
import { runBootPreview } from './boot.ts';
import { runBulk } from './bulk.ts';
import { runCabling } from './cabling.ts';
import { commands } from './commands.ts';
import { connect, readConnection } from './connect.ts';
import { runEvents } from './events.ts';
import { exitCodeOf, exitCodes, Failure } from './failure.ts';
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

const others = [
  ['intent get|put|delete|explain', 'Read and write intent: of the fleet, a site, a role, a rack or a node'],
  ['bulk FILE', 'Give many nodes their place, role, tags, name, address or intent in one request'],
  ['image build|verify|iso', 'Make an image and take it into the catalogue; check one; make a medium that boots it'],
  ['boot preview NODE', 'What a node would get if it booted now: boot script and cloud-init documents'],
  ['rescue NODE [--end]', 'Let one operator in by SSH, in the discovery image, until a time; or end that'],
  ['pxe check [INTERFACE]', 'Find what keeps machines from booting: ports, other DHCP servers, clock, disk, ...'],
  ['pxe --upstream URL', "Run a rack's relay: its boot service, which goes on while the service is away"],
  ['move NODE=[[SITE/]RACK:]UNIT ...', 'Move nodes within racks and between them, all or none'],
  ['cable put|import', 'Intend cables: one, or many from a file'],
  ['port-place import FILE', 'Say where the machines at switch ports stand'],
  ['rack show [SITE/]RACK', 'Draw a rack, now or as it was (--as-of)'],
  ['rack power [SITE/]RACK', 'What its feeds carry; what goes dark, and what is overloaded, when some fail (--fail A)'],
  ['backup FILE', 'Write the whole database into a file, while daemons go on'],
  ['restore FILE [--check]', 'Fill an empty database from a backup; or only check the file'],
  [
    'diff NODE --from TIME [--to TIME]',
    'What changed of a node between two times; --with NODE: in what two nodes differ',
  ],
  ['blame NODE SECTION.PATH', 'Who or what made a value as it is, when, and why'],
  ['revert SUBJECT SECTION', 'Make a section of an intent what it was at a time or in a version, after a preview'],
  ['rollout show [ROLE]', 'Where the newest change of each role stands'],
  ['quarantine show NODE', 'Which nodes a machine may be, and what the score of each is made of'],
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

/** What a person may have meant: another command that begins so, or singular and plural. */
function unknownCommand(first: string, second = ''): string {
  const words = commands.map((command) => command.words);
  const begin = words.filter((each) => each.startsWith(`${first} `));
  const number = [`${first}s`, first.replace(/s$/, '')];
  const near = begin.length > 0 ? begin : words.filter((each) => number.includes(each.split(' ')[0]!));
  const what = begin.length > 0 && second !== '' ? `${first} ${second}` : first;
  const meant = near.length === 0 ? '' : `did you mean ${near.join(', ')}? `;
  return `there is no command "${what}": ${meant}machinedb --help lists them`;
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
