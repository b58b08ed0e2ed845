import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { type Plan, plan as planSchema, type Row } from '../../shared/api/row.ts';
import { api, type Operation } from '../../shared/api.ts';
import { ApiError, type Client } from '../../shared/client.ts';
import type { Command } from './commands.ts';
import { exitCodes, Failure } from './failure.ts';
import { type Flag, flagsOf, type Parsed, parseFlags } from './flags.ts';
import { oddQuery, oddText } from './odd.ts';
import { outagesText } from './outages.ts';
import { plain, table, tree } from './render.ts';

/** Where a command reads and writes; the terminal is a parameter. */
export interface Terminal {
  out: (text: string) => void;
  note: (text: string) => void;
  /** A person sits there and can be asked. */
  interactive: boolean;
  readInput: () => string;
}

const ownFlags = {
  json: { type: 'boolean' },
  yes: { type: 'boolean', short: 'y' },
  file: { type: 'string', short: 'f' },
  all: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Runs a command that is one operation. */
export async function runCommand(
  client: () => Client,
  command: Command,
  argv: string[],
  terminal: Terminal,
): Promise<void> {
  const definition: Row = api[command.operation];
  const flags = flagsOf(definition);
  const fromFile = flags.get(command.fromFile ?? '');
  for (const name of [...(command.positionals ?? []), command.fromFile ?? '', command.mayFile ?? ''])
    flags.delete(name);
  const parsed = parseFlags(argv, flags, ownFlags);
  if (parsed.own.help === true) return terminal.out(help(command, definition, flags));
  const params = takePositionals(command, definition, parsed);
  if (fromFile !== undefined) {
    const text = readFile(parsed, command, terminal).replace(/\n$/, '');
    parsed.body[fromFile.field] = fromFile.type === 'json' ? parseJson(text, String(parsed.own.file)) : text;
  }
  if (command.mayFile !== undefined && parsed.own.file !== undefined)
    parsed.body[command.mayFile] = readFile(parsed, command, terminal).replace(/\n$/, '');
  for (const [flag, { required, field, where }] of flags) {
    if (required && parsed[where][field] === undefined)
      throw new Failure(`${command.words} needs --${flag}`, exitCodes.usage);
  }
  const call: AnyCall = {
    params,
    query: parsed.query,
    ...(definition.body === undefined ? {} : { body: parsed.body }),
  };
  await execute(client(), command, definition, call, parsed, terminal);
}

export interface AnyCall {
  params?: object;
  query?: Record<string, unknown>;
  body?: unknown;
}

/** Calls any operation with untyped input: what the flags gave is checked by the server against the same schema. */
export async function callAny(
  client: Client,
  operation: Operation,
  call: AnyCall,
  headers: { ifMatch?: string; idempotencyKey?: string } = {},
): Promise<unknown> {
  return await client.call(operation, call as never, headers);
}

/** Calls, previewing first where the operation answers a plan, and prints the reply. */
export async function execute(
  client: Client,
  command: Pick<Command, 'operation' | 'columns' | 'words'>,
  definition: Row,
  call: AnyCall,
  parsed: Parsed,
  terminal: Terminal,
  headers: { ifMatch?: string } = {},
): Promise<void> {
  const json = parsed.own.json === true;
  const plans = definition.reply === planSchema;
  const dry = call.query?.dry_run === true || call.query?.dry_run === 'true';
  if (plans && !dry && parsed.own.yes !== true) {
    const preview = (await callAny(
      client,
      command.operation,
      { ...call, query: { ...call.query, dry_run: true } },
      headers,
    )) as Plan;
    if (!json) terminal.note(planText(preview));
    await confirm(terminal);
  }
  const write = definition.method !== 'GET' && !dry;
  const reply = await callAny(client, command.operation, call, {
    ...headers,
    ...(write ? { idempotencyKey: randomUUID() } : {}),
  });
  const whole = parsed.own.all === true ? await allPages(client, command.operation, call, reply) : reply;
  if (!json) for (const line of outagesText(reply)) terminal.note(line);
  if (json) terminal.out(JSON.stringify(whole, null, 2));
  else terminal.out(plans ? planText(whole as Plan) : toText(whole, command.columns));
  const odd = json ? undefined : oddQuery(command.operation, call);
  if (odd !== undefined)
    for (const line of oddText(command.operation, (await callAny(client, 'listSiblings', odd)) as never))
      terminal.note(line);
}

async function allPages(client: Client, operation: Operation, call: AnyCall, first: unknown): Promise<unknown> {
  const items: unknown[] = [];
  let reply = first as { items?: unknown[]; next?: string };
  for (;;) {
    items.push(...(reply.items ?? []));
    if (reply.next === undefined) return { items };
    reply = (await callAny(client, operation, {
      ...call,
      query: { ...call.query, cursor: reply.next },
    })) as typeof reply;
  }
}

export async function confirm(terminal: Terminal): Promise<void> {
  if (!terminal.interactive) {
    throw new Failure(
      'nothing was changed: this is not a terminal, so add --yes to apply it, or --dry-run to only look',
      exitCodes.usage,
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question('Apply? [y/N] ');
  prompt.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was changed');
}

function takePositionals(command: Command, definition: Row, parsed: Parsed): Record<string, string> {
  const names = command.positionals ?? [];
  if (parsed.positionals.length !== names.length) {
    const wanted = names.map((name) => ` ${name.toUpperCase()}`).join('');
    throw new Failure(
      `usage: machinedb ${command.words}${wanted} [flags]; machinedb ${command.words} --help tells them`,
      exitCodes.usage,
    );
  }
  const params: Record<string, string> = {};
  names.forEach((name, i) => {
    const value = parsed.positionals[i]!;
    if (definition.params !== undefined && name in definition.params.shape) params[name] = value;
    else parsed.body[name] = value;
  });
  return params;
}

/** The text of --file, or of standard input for "-". */
export function readFile(parsed: Parsed, command: Pick<Command, 'words'>, terminal: Terminal): string {
  const { file } = parsed.own;
  if (typeof file !== 'string')
    throw new Failure(`${command.words} needs --file FILE (- for standard input)`, exitCodes.usage);
  if (file === '-') return terminal.readInput();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** JSON that a person wrote into a file. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Failure(`${file} is not JSON: ${(error as Error).message}`, exitCodes.usage);
  }
}

function help(command: Command, definition: Row, flags: Map<string, Flag>): string {
  const positionals = (command.positionals ?? []).map((name) => ` ${name.toUpperCase()}`).join('');
  const file = command.fromFile ?? command.mayFile;
  const own: [string, string][] = [
    ...(file === undefined
      ? []
      : [
          ['file', `${file}: read from this file; - is standard input${command.mayFile ? '' : ' (required)'}`] as [
            string,
            string,
          ],
        ]),
    ...(flags.has('cursor') ? [['all', 'all pages'] as [string, string]] : []),
    ['json', 'print JSON for programs'],
    ...(definition.reply === planSchema ? [['yes', 'apply without asking'] as [string, string]] : []),
  ];
  const lines = [
    ...[...flags].map(([flag, { about, required }]) => [flag, about + (required ? ' (required)' : '')]),
    ...own,
  ];
  const width = Math.max(...lines.map(([flag]) => flag!.length));
  return [
    `${definition.summary} (${definition.method} ${definition.path}).`,
    '',
    `usage: machinedb ${command.words}${positionals} [flags]`,
    '',
    ...lines.map(([flag, about]) => `  --${flag!.padEnd(width)}  ${about}`.trimEnd()),
  ].join('\n');
}

/** A plan as people read it: per node what changes from what to what. */
export function planText(plan: Plan): string {
  const verb = plan.applied ? 'changed' : 'would change';
  const nodes = plan.nodes.flatMap(({ node, fqdn, changes }) => [
    plain(fqdn ?? node),
    ...changes.map(
      ({ path, from, to }) =>
        `  ${plain(path)}: ${from === undefined ? '(none)' : plain(from)} -> ${to === undefined ? '(none)' : plain(to)}`,
    ),
  ]);
  return [...nodes, `${plan.affected} node${plan.affected === 1 ? '' : 's'} ${verb}`].join('\n');
}

/** A reply as people read it: a list with columns as a table; without, each item with all that is in it. */
export function toText(reply: unknown, columns: string[] | undefined): string {
  const { items, next } = (reply ?? {}) as { items?: Record<string, unknown>[]; next?: string };
  if (!Array.isArray(items)) return tree(reply) || '(none)';
  if (columns === undefined) return items.map((item) => tree(item)).join('\n\n');
  const text = table(
    columns,
    items.map((item) => columns.map((column) => cell(item[column]))),
  );
  return next === undefined ? text : `${text}\n(more: --all, or --cursor ${next})`;
}

function cell(value: unknown): unknown {
  if (Array.isArray(value)) return value.join(' ');
  const { by, until } = (value ?? {}) as { by?: string; until?: string };
  return by === undefined ? value : `by ${by}${until === undefined ? '' : ` until ${until}`}`;
}

/** The message for a person, with every error's place in the input. */
export function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return (error as Error).message;
  const [first, ...more] = error.errors;
  const untold = first?.pointer !== undefined && !error.message.includes(first.pointer);
  const details = more.map(({ detail, pointer }) => `\n  ${plain(pointer)}: ${plain(detail)}`);
  return plain(error.message) + (untold ? `\n  at ${plain(first.pointer)}` : '') + details.join('');
}
