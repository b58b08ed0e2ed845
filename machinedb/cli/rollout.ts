import type { Rollout } from '../../shared/api/rollout.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain, table } from './render.ts';
import type { Terminal } from './run.ts';

const usage = 'usage: machinedb rollout show [ROLE] [--json]';

/** `machinedb rollout show [ROLE]`: how far each role's newest change is, and what stands in its way. */
export async function runRollout(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const { positionals, own } = parseFlags(argv, new Map(), {
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (own.help === true) return terminal.out(usage);
  if (positionals.length > 1) throw new Failure(usage, exitCodes.usage);
  const items: Rollout[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client().call('listRollouts', { query: { role: positionals[0], cursor } });
    items.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) break;
  }
  terminal.out(own.json === true ? JSON.stringify({ items }, null, 2) : rolloutText(items));
}

/** Roll-outs as people read them: a table, and under it a line for each node and cause that somebody should know. */
export function rolloutText(items: Rollout[]): string {
  const columns = ['role', 'state', 'waiting', 'applying', 'applied', 'undone', 'change', 'by', 'at', 'reason'];
  const rows = items.map(({ role, state, waiting, applying, applied, undone, change }) => [
    ...[role, state, waiting, `${applying.length}`, applied, undone.length],
    ...[change?.what, change?.by, change?.at, change?.reason],
  ]);
  return [table(columns, rows), ...items.flatMap(notesOf)].join('\n');
}

function notesOf({ role, slots, stop_after, held, staged, applying, undone, stopped, next }: Rollout): string[] {
  const notes = [
    ...applying.map(({ name, since, until }) => `${plain(name)} applies since ${since}, until ${until} at most`),
    ...undone.map(({ name, outcome, at, reason }) => `${plain(name)} ${outcome} at ${at}: ${plain(reason)}`),
    ...(staged === 0 ? [] : [`${nodes(staged)} when booted next`]),
    ...(held === 0 ? [] : [`${nodes(held)} on hold`]),
    ...(stopped === undefined ? [] : [`stopped at ${stopped.at}: ${plain(stopped.reason)}`]),
    ...(next === undefined ? [] : [`to go on: ${plain(next)}`]),
  ];
  if (notes.length === 0) return [];
  return [
    '',
    `${role} (${slots} at a time, stops after ${stop_after} roll-backs)`,
    ...notes.map((note) => `  ${note}`),
  ];
}

function nodes(count: number): string {
  return `${count} node${count === 1 ? '' : 's'}`;
}
