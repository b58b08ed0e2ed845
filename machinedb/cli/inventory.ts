import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import type { Terminal } from './run.ts';

const usage = 'usage: machinedb inventory --list | --host NAME [--as-of TIME]';

/** `machinedb inventory --list | --host NAME`: an Ansible inventory script (docs: developing dynamic inventory). */
export async function runInventory(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const parsed = parseFlags(argv, new Map(), {
    list: { type: 'boolean' },
    host: { type: 'string' },
    'as-of': { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  });
  if (parsed.own.help === true) return terminal.out(usage);
  const { list, host } = parsed.own;
  if ((list === true) === (typeof host === 'string')) throw new Failure(usage, exitCodes.usage);
  const inventory = await client().call('inventory', { query: { as_of: parsed.own['as-of'] as string | undefined } });
  if (list === true) return terminal.out(JSON.stringify(inventory, null, 2));
  const { hostvars } = inventory._meta as { hostvars: Record<string, unknown> };
  terminal.out(JSON.stringify(hostvars[host as string] ?? {}, null, 2));
}
