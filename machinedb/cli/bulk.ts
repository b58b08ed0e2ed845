import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { BulkItem, BulkReply } from '../../shared/api/bulk.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain, table } from './render.ts';
import { confirm, parseJson, planText, type Terminal } from './run.ts';

const usage = `usage: machinedb bulk FILE --reason WHY [--each] [--dry-run] [--max-affected N] [--yes] [--json]
  FILE (- is standard input) is JSON: a list of items, each with node or group and what assign takes, or intended: {section: ...}
  All of it is done or nothing; with --each, what can be done is`;

/** `machinedb bulk FILE`: shows what would change, asks, and tells of every node that could not be written. */
export async function runBulk(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const { positionals, own } = parseFlags(argv, new Map(), {
    json: { type: 'boolean' },
    yes: { type: 'boolean', short: 'y' },
    each: { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    'max-affected': { type: 'string' },
    reason: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  });
  if (own.help === true) return terminal.out(usage);
  const [file] = positionals;
  if (positionals.length !== 1 || file === undefined || typeof own.reason !== 'string')
    throw new Failure(usage, exitCodes.usage);
  const items = parseJson(file === '-' ? terminal.readInput() : readText(file), file) as BulkItem[];
  const body = { items, mode: own.each === true ? ('each' as const) : ('all' as const), reason: own.reason };
  const guard = own['max-affected'] as string | undefined;
  const send = async (dry: boolean) => {
    const query = { ...(guard === undefined ? {} : { max_affected: guard }), ...(dry ? { dry_run: 'true' } : {}) };
    return await client().call('bulk', { query, body } as never, dry ? {} : { idempotencyKey: randomUUID() });
  };
  const show = (reply: BulkReply) => (own.json === true ? JSON.stringify(reply, null, 2) : bulkText(reply));
  if (own['dry-run'] === true) return terminal.out(show(await send(true)));
  if (own.yes !== true) {
    terminal.note(bulkText(await send(true)));
    await confirm(terminal);
  }
  const reply = await send(false);
  terminal.out(show(reply));
  if (reply.failed > 0) throw new Failure(`${reply.failed} of ${reply.items.length} nodes were not written`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** What changes, and below it the nodes that cannot be written. */
export function bulkText(reply: BulkReply): string {
  const failed = reply.items.flatMap(({ item, name, problem }) =>
    problem === undefined ? [] : [[`${item}`, plain(name), plain(problem.detail)]],
  );
  const told = failed.length === 0 ? [] : ['', table(['item', 'node', 'problem'], failed)];
  return [planText(reply), `${reply.done} done, ${reply.unchanged} unchanged, ${reply.failed} failed`, ...told].join(
    '\n',
  );
}
