import type { Row } from '../../shared/api/row.ts';
import { api } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { flagsOf, parseFlags } from './flags.ts';
import { readItems } from './items.ts';
import { execute, type Terminal } from './run.ts';

const usage = `usage: machinedb move NODE=[[SITE/]RACK:]UNIT ... --reason WHY [--dry-run] [--max-affected N] [--yes] [--json]
       machinedb move --file FILE --reason WHY      [{"node": ..., "rack": ..., "unit": ..., "face": ...}, ...]
All are moved, or none; two that are given each other's place change places.`;

/** `machinedb move`: many nodes in one write. */
export async function runMove(connect: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const definition: Row = api.moveNodes;
  const flags = flagsOf(definition);
  flags.delete('items');
  const parsed = parseFlags(argv, flags, {
    json: { type: 'boolean' },
    yes: { type: 'boolean', short: 'y' },
    file: { type: 'string', short: 'f' },
    help: { type: 'boolean', short: 'h' },
  });
  const { help, file } = parsed.own;
  if (help === true) return terminal.out(usage);
  if ((parsed.positionals.length === 0) === (file === undefined)) throw new Failure(usage, exitCodes.usage);
  if (parsed.body.reason === undefined) throw new Failure('move needs --reason', exitCodes.usage);
  const items = file === undefined ? parsed.positionals.map(readMove) : readItems(file as string, terminal);
  const call = { query: parsed.query, body: { ...parsed.body, items } };
  await execute(connect(), { words: 'move', operation: 'moveNodes' }, definition, call, parsed, terminal);
}

/** "n1=ber/r1:5", "n1=r1:5" or "n1=5". */
export function readMove(text: string): { node: string; site?: string; rack?: string; unit: number } {
  const [, node, site, rack, unit] = /^([^=]+)=(?:(?:([^/:]+)\/)?([^/:]+):)?(\d{1,3})$/.exec(text) ?? [];
  if (node === undefined) throw new Failure(`"${text}" is not NODE=[[SITE/]RACK:]UNIT`, exitCodes.usage);
  return {
    ...{ node, unit: Number(unit) },
    ...(site === undefined ? {} : { site }),
    ...(rack === undefined ? {} : { rack }),
  };
}
