import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** What the commands are. */
export const usage = `usage: machinedb-agent facts [--root DIR] [--json] [SECTION ...]
       machinedb-agent run --server URL --pin HEX[,HEX] --state DIR [--join-token-file FILE]
       machinedb-agent discover --server URL --pin HEX[,HEX] --files URL --state DIR
       machinedb-agent rescue --server URL --pin HEX[,HEX] --state DIR
       machinedb-agent manage --config FILE --state DIR
       machinedb-agent seed --config FILE --state DIR [--port PORT]
       machinedb-agent apply --dry-run [--config FILE] [--state DIR]
       machinedb-agent probe [--config FILE] [--state DIR] [--from ADDRESS]
       machinedb-agent owned [--state DIR]
       machinedb-agent release [--back] [--state DIR] [SECTION ...]
       machinedb-agent recover --state DIR [--reload]
       machinedb-agent capture [--blank] [--root DIR] FILE
       machinedb-agent --version

facts    shows what this machine is (or, with --root, the one that DIR was captured from)
run      enrols this machine, holds a session with the server and reports what changes; it observes, and applies nothing
discover as run, in the discovery image: it also installs an image on a disk when an operator asked for that; ends with 0
         when the disk was made bootable, with 10 when the machine has a system of its own on its disk
rescue   in the discovery image: lets the operator in by SSH for whom a rescue was opened, until that ends; then ends with 11
manage   as run, on an installed node: it also makes the node as wanted when its intent says mode enforce, and tells what it
         would do in mode plan; FILE holds {"server": URL, "pins": [HEX]}
seed     gives cloud-init on this machine what the server has for it, on a port of the loopback interface
apply    shows what an apply would change: a difference per file, and what is reloaded
probe    does one signed round trip to the server, from an address of this machine; ip vrf exec VRF before it: in that VRF
owned    lists the files that the agent has written
release  hands them back: they stay as they are, and their sections are applied no more; --back lets them be applied again
recover  puts back what a change that was not confirmed has changed, or makes one that waited for this boot; --reload lets what
         is put back be in force at once
capture  writes an archive of exactly the files that the facts come from; --blank puts others in the place of serial numbers,
         UUIDs, MACs and the machine-id, each the same one wherever it stands

--pin is the SHA-256 of a trusted CA's public key, as "machinedb ca show" prints it.`;

/** The command line is wrong: it is told with the usage, and the exit code is 2. */
export class UsageError extends Error {}

const options = {
  root: { type: 'string' },
  json: { type: 'boolean' },
  blank: { type: 'boolean' },
  server: { type: 'string' },
  pin: { type: 'string' },
  state: { type: 'string' },
  config: { type: 'string' },
  reload: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  back: { type: 'boolean' },
  from: { type: 'string' },
  'deadline-ms': { type: 'string', default: '60000' },
  port: { type: 'string' },
  files: { type: 'string' },
  devices: { type: 'string', default: '/dev' },
  'patience-ms': { type: 'string', default: '600000' },
  'join-token-file': { type: 'string' },
  'first-beat-ms': { type: 'string', default: '10000' },
  'observe-ms': { type: 'string', default: '60000' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Options and words of a command line. @throws UsageError */
export function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0]);
  }
}
/** What was given, by option. */
export type Values = ReturnType<typeof parse>['values'];

/** Where an installed node has what these commands need. */
export const STATE = '/var/lib/machinedb-agent';
const CONFIG = '/etc/machinedb/agent.json';

/** Which server is an installed node's own. */
export function readConfig(file = CONFIG): { server: string; pins: string[] } {
  return JSON.parse(readFileSync(file, 'utf8')) as { server: string; pins: string[] };
}

/** An option that is a time. @throws UsageError */
export function milliseconds(
  values: Values,
  name: 'first-beat-ms' | 'observe-ms' | 'patience-ms' | 'deadline-ms',
): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0)
    throw new UsageError(`--${name} is "${values[name]}": expected milliseconds`);
  return value;
}
