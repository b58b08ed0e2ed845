import { api } from '../../shared/api.ts';
import { commands } from './commands.ts';

const others: [string, string][] = [
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

/** What `machinedb --help` prints. */
export function help(): string {
  return `usage: machinedb COMMAND [flags]; machinedb COMMAND --help tells a command's flags

${listed(all())}

--json prints JSON. The service is found by MACHINEDB_URL (https://127.0.0.1:4280), MACHINEDB_CA_FILE, and
MACHINEDB_TOKEN_FILE or MACHINEDB_TOKEN; without them by the state directory MACHINEDB_STATE (./.machinedb).
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 unreachable, 6 refused.`;
}

/** Every command: its words with what must follow them, and what it does. */
function all(): [string, string][] {
  return [...commands.map(({ words, operation }): [string, string] => [words, api[operation].summary]), ...others];
}

function listed(lines: [string, string][]): string {
  const width = Math.max(...lines.map(([words]) => words.length));
  return lines.map(([words, about]) => `  ${words.padEnd(width)}  ${about}`).join('\n');
}

/** What `machinedb rack --help` prints: the commands of a noun that is none by itself; undefined: another line. */
export function nounHelp([noun, flag, ...rest]: string[]): string | undefined {
  if ((flag !== '--help' && flag !== '-h') || rest.length > 0) return undefined;
  const of = all().filter(([words]) => words.split(' ')[0] === noun);
  if (of.length < 2 || of.some(([words]) => wordsOf(words).includes(noun!))) return undefined;
  return `usage: machinedb ${noun} ...; with --help each tells its flags\n\n${listed(of)}`;
}

/** What a person may have meant: another command that begins so, or singular and plural. */
export function unknownCommand(first: string, second = ''): string {
  const words = all().flatMap(([each]) => wordsOf(each));
  const begin = words.filter((each) => each.startsWith(`${first} `));
  const number = [`${first}s`, first.replace(/s$/, '')];
  const near = begin.length > 0 ? begin : words.filter((each) => number.includes(each.split(' ')[0]!));
  const what = begin.length > 0 && second !== '' ? `${first} ${second}` : first;
  const meant = near.length === 0 ? '' : `did you mean ${near.join(', ')}? `;
  return `there is no command "${what}": ${meant}machinedb --help lists them`;
}

/** "cable put|import" is "cable put" and "cable import"; "move NODE=..." is "move". */
function wordsOf(text: string): string[] {
  const [noun = '', acts = ''] = text.split(' ');
  return /^[a-z][a-z|-]*$/.test(acts) ? acts.split('|').map((act) => `${noun} ${act}`) : [noun];
}
