import { readFileSync } from 'node:fs';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { tree } from './render.ts';
import type { Terminal } from './run.ts';

const usage =
  'usage: machinedb rescue NODE --key FILE|--operator NAME [--for 1h] --reason TEXT; machinedb rescue NODE --end [--reason TEXT]';

/** `machinedb rescue NODE ...`: opens a rescue for one operator's key, or ends it. */
export async function runRescue(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const { positionals, own } = parseFlags(argv, new Map(), {
    ...{ key: { type: 'string' }, operator: { type: 'string' }, for: { type: 'string' }, reason: { type: 'string' } },
    ...{ end: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (own.help === true) return terminal.out(usage);
  const { key, operator, reason } = own as Record<string, string | undefined>;
  const [node, ...more] = positionals;
  if (node === undefined || more.length > 0) throw new Failure(usage, exitCodes.usage);
  const headers = { idempotencyKey: crypto.randomUUID() };
  if (own.end === true) {
    if (key !== undefined || operator !== undefined || own.for !== undefined) throw new Failure(usage, exitCodes.usage);
    const reply = await client().call('closeRescue', { params: { node }, body: { reason } }, headers);
    return terminal.out(
      own.json === true ? JSON.stringify(reply, null, 2) : `the rescue of ${reply.node.name} is over`,
    );
  }
  if (reason === undefined || (key === undefined && operator === undefined)) throw new Failure(usage, exitCodes.usage);
  const body = {
    operator,
    reason,
    ...(key === undefined ? {} : { public_key: readKey(key, terminal) }),
    ...(own.for === undefined ? {} : { seconds: parseDuration(own.for as string) }),
  };
  const reply = await client().call('openRescue', { params: { node }, body }, headers);
  if (own.json === true) return terminal.out(JSON.stringify(reply, null, 2));
  terminal.out(tree(reply.rescue));
  terminal.note(
    `${reply.node.name} goes into it when it boots from the network next; machinedb show tells where it is`,
  );
}

function readKey(file: string, terminal: Terminal): string {
  try {
    return (file === '-' ? terminal.readInput() : readFileSync(file, 'utf8')).trim();
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`);
  }
}

const units = { s: 1, m: 60, h: 3600 };

/** Seconds of `90s`, `30m`, `1h` or `24h`. Throws Failure (usage). */
function parseDuration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  if (number === undefined) throw new Failure(`--for is "${text}": write 90s, 30m or 1h`, exitCodes.usage);
  return Number(number) * units[unit as keyof typeof units];
}
