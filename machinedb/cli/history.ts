import type { Blamed } from '../../shared/api/history.ts';
import type { Row } from '../../shared/api/row.ts';
import { api, type Reply } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { flagsOf, parseFlags } from './flags.ts';
import { plain, table } from './render.ts';
import type { Terminal } from './run.ts';

const usages = {
  diff: `usage: machinedb diff NODE --from TIME [--to TIME] [--json]
       machinedb diff NODE --with NODE [--to TIME] [--json]
  TIME as 2026-11-22T08:00:00Z`,
  blame: `usage: machinedb blame NODE SECTION.PATH [--as-of TIME] [--json]
  as network.interfaces.eth0.mtu; where a key has a dot, as a JSON pointer: /network/interfaces/eth0.100/mtu`,
};

/** `machinedb diff` and `machinedb blame`: what changed of a node, and who or what made a value as it is. */
export async function runPast(
  client: () => Client,
  verb: 'diff' | 'blame',
  argv: string[],
  terminal: Terminal,
): Promise<void> {
  const operation = verb === 'diff' ? api.diffNode : api.blameNode;
  const flags = flagsOf(operation as Row);
  flags.delete('path');
  const parsed = parseFlags(argv, flags, { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } });
  if (parsed.own.help === true) return terminal.out(usages[verb]);
  const [node, path] = parsed.positionals;
  if (node === undefined || parsed.positionals.length !== (verb === 'diff' ? 1 : 2))
    throw new Failure(usages[verb], exitCodes.usage);
  const json = (reply: unknown) => terminal.out(JSON.stringify(reply, null, 2));
  if (verb === 'diff') {
    const reply = await client().call('diffNode', { params: { node }, query: parsed.query });
    return parsed.own.json === true ? json(reply) : terminal.out(diffText(reply));
  }
  const reply = await client().call('blameNode', {
    params: { node },
    query: { ...parsed.query, path: toPointer(path!) },
  });
  return parsed.own.json === true ? json(reply) : terminal.out(blameText(reply.items));
}

/** `network.interfaces.eth0.mtu` as a JSON pointer; a pointer stays what it is. */
export function toPointer(path: string): string {
  return path.startsWith('/') ? path : `/${path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('.', '/')}`;
}

/** Changes as people read them, a line each. */
export function diffText({ changes }: Reply<'diffNode'>): string {
  if (changes.length === 0) return 'nothing differs';
  const shown = (value: unknown) => (value === undefined ? '(none)' : plain(value));
  return changes.map(({ path, from, to }) => `${plain(path)}: ${shown(from)} -> ${shown(to)}`).join('\n');
}

/** Who said what, as people read it: the value that holds is marked with "*". */
export function blameText(items: Blamed[]): string {
  const rows = items.map((item) => [
    item.wins === true ? '*' : '',
    item.side === 'intended' ? (item.layer ?? '') : item.side,
    item.path,
    'value' in item ? item.value : '(taken away)',
    `${item.at}${item.older === true ? ' or before' : ''}`,
    item.actor,
    item.reason ?? '',
    item.inherited === undefined ? (item.boot === undefined ? '' : `boot ${item.boot}`) : inheritedText(item.inherited),
  ]);
  return table(['', 'by', 'path', 'value', 'since', 'actor', 'reason', 'more'], rows);
}

function inheritedText({ at, actor, reason }: NonNullable<Blamed['inherited']>): string {
  return `the node is in it since ${at} by ${actor}${reason === undefined ? '' : ` (${reason})`}`;
}
