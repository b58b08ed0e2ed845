import type { Explanation } from '../../shared/api/intent.ts';
import type { Row } from '../../shared/api/row.ts';
import { api, type Operation } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { flagsOf, parseFlags } from './flags.ts';
import { table, tree } from './render.ts';
import { type AnyCall, callAny, execute, readFile, type Terminal } from './run.ts';

const usage = `usage: machinedb intent get SUBJECT [SECTION] [--json]
       machinedb intent put SUBJECT SECTION --file FILE [--reason WHY] [--dry-run] [--max-affected N] [--yes] [--json]
       machinedb intent delete SUBJECT SECTION [--reason WHY] [--dry-run] [--max-affected N] [--yes] [--json]
       machinedb intent explain node/ID-OR-FQDN [SECTION] [--json]
  SUBJECT is fleet, site/NAME, role/NAME, rack/SITE/NAME or node/ID-OR-FQDN; put reads the section from --file (- is standard input)`;

const layers = {
  fleet: {
    names: [],
    get: 'getFleetIntent',
    put: 'putFleetIntent',
    delete: 'deleteFleetIntent',
    revert: 'revertFleetIntent',
  },
  site: {
    names: ['site'],
    get: 'getSiteIntent',
    put: 'putSiteIntent',
    delete: 'deleteSiteIntent',
    revert: 'revertSiteIntent',
  },
  role: {
    names: ['role'],
    get: 'getRoleIntent',
    put: 'putRoleIntent',
    delete: 'deleteRoleIntent',
    revert: 'revertRoleIntent',
  },
  rack: {
    names: ['site', 'rack'],
    get: 'getRackIntent',
    put: 'putRackIntent',
    delete: 'deleteRackIntent',
    revert: 'revertRackIntent',
  },
  node: {
    names: ['node'],
    get: 'getNodeIntent',
    put: 'putNodeIntent',
    delete: 'deleteNodeIntent',
    revert: 'revertNodeIntent',
  },
} as const satisfies Record<
  string,
  { names: string[]; get: Operation; put: Operation; delete: Operation; revert: Operation }
>;

interface Item {
  section: string;
  data: unknown;
  etag: string;
}

/** `machinedb intent ...`: one command over the five layers' rows. */
export async function runIntent(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) return terminal.out(usage);
  const [verb, ...rest] = argv;
  if (verb === undefined || !['get', 'put', 'delete', 'explain'].includes(verb))
    throw new Failure(usage, exitCodes.usage);
  const flags = flagsOf({ ...api.putNodeIntent, body: undefined } as unknown as Row);
  const parsed = parseFlags(rest, verb === 'get' || verb === 'explain' ? new Map() : flags, {
    json: { type: 'boolean' },
    yes: { type: 'boolean', short: 'y' },
    file: { type: 'string', short: 'f' },
  });
  const [subject, section] = parsed.positionals;
  if (subject === undefined) throw new Failure(usage, exitCodes.usage);
  const { layer, params } = parseSubject(subject);
  const command = { words: `intent ${verb}`, operation: layer[verb === 'explain' ? 'get' : (verb as 'get')] };

  if (verb === 'explain') return await explain(client(), subject, params, section, parsed.own.json === true, terminal);
  const items = (await callAny(client(), layer.get, { params })) as { items: Item[] };
  if (verb === 'get') {
    const shown = items.items.filter((item) => section === undefined || item.section === section);
    return terminal.out(
      parsed.own.json === true
        ? JSON.stringify(shown, null, 2)
        : tree(Object.fromEntries(shown.map((item) => [item.section, item.data]))) || '(none)',
    );
  }
  if (section === undefined) throw new Failure(usage, exitCodes.usage);
  const current = items.items.find((item) => item.section === section);
  const call: AnyCall = { params: { ...params, section }, query: parsed.query };
  if (verb === 'put') call.body = parseBody(readFile(parsed, command, terminal));
  await execute(
    client(),
    command,
    api[command.operation],
    call,
    parsed,
    terminal,
    current === undefined ? {} : { ifMatch: current.etag },
  );
}

async function explain(
  client: Client,
  subject: string,
  params: object,
  section: string | undefined,
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  if (!subject.startsWith('node/'))
    throw new Failure('explain is for a node: machinedb intent explain node/NAME [SECTION]', exitCodes.usage);
  const reply = (await callAny(client, 'getNodeIntent', { params, query: { explain: true } })) as {
    explain: Explanation[];
  };
  const rows = reply.explain.filter(({ path }) => section === undefined || path.startsWith(`/${section}`));
  if (json) return terminal.out(JSON.stringify(rows, null, 2));
  terminal.out(
    table(
      ['path', 'value', 'layer', 'overrides', 'gives'],
      rows.map((row) => [
        row.path,
        row.value,
        row.layer,
        row.overrides
          .map(({ layer, ...said }) =>
            'value' in said ? `${layer}=${JSON.stringify(said.value)}` : `${layer} removes it`,
          )
          .join(' '),
        row.gives === undefined ? '' : givesText(row.gives),
      ]),
    ),
  );
}

const how = { given: 'as given', unit: 'by rack unit', free: 'first free' };

function givesText(gives: NonNullable<Explanation['gives']>): string {
  if (gives.address === undefined) return gives.problem ?? '';
  const { site, rack } = gives;
  const of = site === undefined ? 'the fleet' : rack === undefined ? `site ${site}` : `rack ${rack} in site ${site}`;
  return `${gives.address}, ${how[gives.how]}, from ${gives.network} of ${of} (${gives.cidr})`;
}

/** The layer that a subject names, and its parameters. Throws Failure (usage). */
export function parseSubject(subject: string): {
  layer: (typeof layers)[keyof typeof layers];
  params: Record<string, string>;
} {
  const [kind, ...names] = subject.split('/');
  const layer = layers[kind as keyof typeof layers];
  if (layer === undefined || layer.names.length !== names.length || names.includes(''))
    throw new Failure(`"${subject}" is no subject\n${usage}`, exitCodes.usage);
  return { layer, params: Object.fromEntries(layer.names.map((name, i) => [name, names[i]!])) };
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Failure(`the intent is not JSON: ${(error as Error).message}`);
  }
}
