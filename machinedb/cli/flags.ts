import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Row } from '../../shared/api/row.ts';
import { exitCodes, Failure } from './failure.ts';

export interface Flag {
  /** Field of the query or the body. */
  field: string;
  where: 'query' | 'body';
  type: 'string' | 'number' | 'boolean' | 'list' | 'json';
  required: boolean;
  about: string;
}

/** The flags of an operation, from its query's and body's schemas: `max_affected` is `--max-affected`. */
export function flagsOf(definition: Row): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const where of ['query', 'body'] as const) {
    const schema = definition[where];
    if (!(schema instanceof z.ZodObject)) continue;
    for (const [field, type] of Object.entries(schema.shape as Record<string, z.ZodType>)) {
      flags.set(field.replaceAll('_', '-'), {
        field,
        where,
        type: kindOf(type),
        required: !type.safeParse(undefined).success,
        about: aboutOf(type),
      });
    }
  }
  return flags;
}

/** What a flag is about, and the words it takes where only some are. */
function aboutOf(type: z.ZodType): string {
  const { enum: words, items } = z.toJSONSchema(type, { io: 'output', unrepresentable: 'any' }) as {
    enum?: string[];
    items?: { enum?: string[] };
  };
  const known = (words ?? items?.enum)?.join(', ');
  return [type.description, known].filter((part) => part !== undefined).join(': ');
}

function kindOf(type: z.ZodType): Flag['type'] {
  const schema = z.toJSONSchema(type, { io: 'output', unrepresentable: 'any' }) as {
    type?: string;
    items?: { type?: string };
  };
  if (schema.type === 'boolean') return 'boolean';
  if (schema.type === 'integer' || schema.type === 'number') return 'number';
  if (schema.type === 'array') return schema.items?.type === 'object' ? 'json' : 'list';
  return schema.type === 'object' ? 'json' : 'string';
}

export interface Parsed {
  positionals: string[];
  query: Record<string, unknown>;
  body: Record<string, unknown>;
  /** Flags of the command itself, such as --json. */
  own: Record<string, string | boolean | undefined>;
}

/** Parses a command line against derived flags and the command's own ones. Throws Failure (usage). */
export function parseFlags(
  argv: string[],
  flags: Map<string, Flag>,
  own: Record<string, { type: 'string' | 'boolean'; short?: string }>,
): Parsed {
  const options: NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']> = {};
  for (const [flag, { type }] of flags)
    options[flag] = { type: type === 'boolean' ? 'boolean' : 'string', multiple: type === 'list' };
  Object.assign(options, own);
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: argv, options, allowPositionals: true, allowNegative: true, tokens: true });
  } catch (error) {
    const known = Object.keys(options).map((flag) => `--${flag}`);
    const unknown = (error as { code?: string }).code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
    const wayOut = unknown ? `: expected ${known.join(', ')}` : '';
    throw new Failure((error as Error).message.split('. ')[0]! + wayOut, exitCodes.usage);
  }
  // Of two values the last would win, and the first would be left out without a word.
  const given = new Set<string>();
  for (const token of parsed.tokens ?? []) {
    if (token.kind !== 'option' || options[token.name]?.type !== 'string' || options[token.name]?.multiple === true)
      continue;
    if (given.has(token.name)) throw new Failure(`--${token.name} is given twice: give it once`, exitCodes.usage);
    given.add(token.name);
  }
  const result: Parsed = { positionals: parsed.positionals, query: {}, body: {}, own: {} };
  for (const [flag, value] of Object.entries(parsed.values)) {
    const known = flags.get(flag);
    if (known === undefined) result.own[flag] = value as string | boolean;
    else result[known.where][known.field] = convert(flag, known, value);
  }
  return result;
}

function convert(name: string, flag: Flag, value: unknown): unknown {
  if (flag.type === 'list') return (value as string[]).flatMap((item) => item.split(',')).filter((item) => item !== '');
  // A query travels as text and the server reads it; a body's numbers are numbers.
  if (flag.type === 'number' && flag.where === 'body') {
    if (!/^-?\d+(\.\d+)?$/.test(value as string))
      throw new Failure(`--${name} is "${value}": a number is expected`, exitCodes.usage);
    return Number(value);
  }
  if (flag.type === 'json') {
    try {
      return JSON.parse(value as string) as unknown;
    } catch {
      throw new Failure(`--${name} is not JSON: ${value}`, exitCodes.usage);
    }
  }
  return value;
}
