import { stringify } from 'yaml';
import { profileBody } from '../../shared/api/drift.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { table } from './render.ts';
import { readFile, type Terminal } from './run.ts';
import { parseYaml } from './yaml-file.ts';

const usage = `usage: machinedb profile put NAME --file FILE [--dry-run] [--json]
       machinedb profile from NODE [--json]
  FILE is YAML (- is standard input): model, role or both; description; expect: section → facts and parts (docs/drift.md).
  profile from NODE prints such a file, made from the node as it is: machinedb profile from n1 | machinedb profile put big -f -`;

/** `machinedb profile put|from`: a profile is a file that people write, or begin with what a node is. */
export async function runProfile(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const [verb, ...rest] = argv;
  const parsed = parseFlags(rest, new Map(), {
    json: { type: 'boolean' },
    file: { type: 'string', short: 'f' },
    'dry-run': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (parsed.own.help === true) return terminal.out(usage);
  const [name] = parsed.positionals;
  if (name === undefined || parsed.positionals.length > 1) throw new Failure(usage, exitCodes.usage);
  if (verb === 'from') {
    const made = await client().call('profileFromNode', { params: { node: name } });
    return terminal.out(parsed.own.json === true ? JSON.stringify(made, null, 2) : stringify(made).trimEnd());
  }
  const body = parseYaml(
    readFile(parsed, { words: 'profile put' }, terminal),
    parsed.own.file === '-' ? 'standard input' : String(parsed.own.file),
    profileBody,
  );
  const reply = await client().call('putProfile', {
    params: { profile: name },
    query: parsed.own['dry-run'] === true ? { dry_run: 'true' } : {},
    body,
  });
  if (parsed.own.json === true) return terminal.out(JSON.stringify(reply, null, 2));
  const { nodes, meets, differs, unknown } = reply.compliance;
  terminal.out(table(['profile', 'nodes', 'meets', 'differs', 'unknown'], [[name, nodes, meets, differs, unknown]]));
}
