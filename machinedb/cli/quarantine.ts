import type { Quarantined } from '../../shared/api/identity.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain, table } from './render.ts';
import type { Terminal } from './run.ts';

const usage = 'usage: machinedb quarantine show NODE [--json]';

/** `machinedb quarantine show NODE`: which nodes it may be, and what the score of each is made of. */
export async function runQuarantineShow(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const { positionals, own } = parseFlags(argv, new Map(), {
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (own.help === true) return terminal.out(usage);
  const [node, ...more] = positionals;
  if (node === undefined || more.length > 0) throw new Failure(usage, exitCodes.usage);
  const { items } = await client().call('getQuarantine', { params: { node } });
  if (own.json === true) return terminal.out(JSON.stringify({ items }, null, 2));
  terminal.out(items.length === 0 ? 'nothing about it is, or was, in doubt' : items.map(doubtText).join('\n\n'));
}

/** A doubt as people read it: why, each candidate with its evidence, and what to do. */
export function doubtText({ node, name, part, why, candidates, opened_at, closed }: Quarantined): string {
  const about = part === undefined ? plain(name) : `${plain(name)}: ${plain(part)}`;
  const next =
    closed === undefined
      ? ['to decide: machinedb merge NODE INTO --reason ..., or machinedb split NODE --reason ...']
      : [`${closed.decision} at ${closed.at} by ${plain(closed.by)}: ${plain(closed.reason)}`];
  return [
    `${about} (${node}), since ${opened_at}`,
    plain(why),
    ...candidates.flatMap(candidateLines),
    '',
    ...next,
  ].join('\n');
}

function candidateLines({ node, name, score, against, contradiction, evidence }: Quarantined['candidates'][number]) {
  const but = contradiction === undefined ? '' : `, but: ${contradiction}`;
  const rows = evidence.map(({ kind, points, of, why }) => [kind, `${points}/${of}`, why]);
  return [
    '',
    evidence.length === 0
      ? `${plain(name)} (${node})`
      : `${plain(name)} (${node}): ${score} points for it, ${against} against${but}`,
    ...(rows.length === 0
      ? []
      : table(['what', 'points', 'why'], rows)
          .split('\n')
          .map((line) => `  ${line}`)),
  ];
}
