import { randomUUID } from 'node:crypto';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { readItems } from './items.ts';
import { callAny, type Terminal } from './run.ts';

const usage = `usage: machinedb cable put NODE NIC SWITCH PORT
       machinedb cable import FILE        [{"node": ..., "nic": ..., "switch": ..., "port": ...}, ...]
       machinedb port-place import FILE   [{"switch": ..., "port": ..., "site": ..., "rack": ..., "unit": ...}, ...]
FILE is JSON, - for standard input; --dry-run only checks it.`;

/** `machinedb cable put|import`, `machinedb port-place import`: many rows in one write. */
export async function runCabling(connect: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const [noun, act, ...rest] = argv;
  const { positionals, own } = parseFlags(rest, new Map(), {
    'dry-run': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (own.help === true) return terminal.out(usage);
  const put = noun === 'cable' && act === 'put';
  if (positionals.length !== (put ? 4 : 1)) throw new Failure(usage, exitCodes.usage);
  const [node, nic, of, port] = positionals;
  const items = put ? [{ node, nic, switch: of, port }] : readItems(positionals[0]!, terminal);
  const dry = own['dry-run'] === true;
  const reply = await callAny(
    connect(),
    noun === 'cable' ? 'putCables' : 'putPortPlaces',
    { query: { dry_run: dry ? 'true' : undefined }, body: { items } },
    dry ? {} : { idempotencyKey: randomUUID() },
  );
  const { stored } = reply as { stored: number };
  terminal.out(`${stored} ${dry ? 'would be stored' : 'stored'}`);
}
