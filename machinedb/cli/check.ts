import type { Client } from '../../shared/client.ts';
import { countViolations, type Policy, policyFile, type Violation } from '../../shared/policy.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain, table } from './render.ts';
import { describe, readFile, type Terminal } from './run.ts';
import { parseYaml } from './yaml-file.ts';

const usage = `usage: machinedb check FILE [--json] [--as-of TIME]
  FILE is YAML (- is standard input): policy: NAME: select, nodes, expect (docs/drift.md).
  Exit codes: 0 all of it holds, 1 a node does not hold it, 2 the file or the service is wrong, and nothing was checked.`;

/** `machinedb check FILE`: assertions over nodes, for continuous integration. */
export async function runCheck(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  let result: { nodes: Record<string, number>; violations: Violation[] };
  let json: boolean;
  try {
    const parsed = parseFlags(argv, new Map(), {
      json: { type: 'boolean' },
      'as-of': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    if (parsed.own.help === true) return terminal.out(usage);
    const [file] = parsed.positionals;
    if (file === undefined || parsed.positionals.length > 1) throw new Failure(usage, exitCodes.usage);
    json = parsed.own.json === true;
    const text = readFile({ ...parsed, own: { file } }, { words: 'check' }, terminal);
    const { policy } = parseYaml(text, file === '-' ? 'standard input' : file, policyFile);
    result = await check(client(), policy, parsed.own['as-of'] as string | undefined);
  } catch (error) {
    // Whatever kept it from looking is no verdict: 1 is kept for violations.
    throw new Failure(describe(error), exitCodes.usage);
  }
  const { nodes, violations } = result;
  if (json) terminal.out(JSON.stringify({ holds: violations.length === 0, nodes, violations }, null, 2));
  else if (violations.length > 0)
    terminal.out(
      table(
        ['policy', 'node', 'what', 'message'],
        violations.map(({ policy, name, what, message }) => [policy, name ?? '-', what, message]),
      ),
    );
  if (violations.length > 0) throw new Failure(summary(violations), exitCodes.failed);
  if (!json)
    terminal.out(
      Object.entries(nodes)
        .map(([name, count]) => `${plain(name)} holds for ${count} node${count === 1 ? '' : 's'}`)
        .join('\n'),
    );
}

async function check(client: Client, policy: Policy, asOf: string | undefined) {
  const nodes: Record<string, number> = {};
  const violations: Violation[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client.call('checkPolicy', { body: { policy, as_of: asOf, cursor } });
    for (const [name, count] of Object.entries(page.nodes)) nodes[name] = (nodes[name] ?? 0) + count;
    violations.push(...page.violations);
    cursor = page.next;
    if (cursor === undefined) return { nodes, violations: [...violations, ...countViolations(policy, nodes)] };
  }
}

function summary(violations: Violation[]): string {
  const nodes = new Set(violations.flatMap(({ node }) => node ?? [])).size;
  const policies = new Set(violations.map(({ policy }) => policy)).size;
  return `${violations.length} violation${violations.length === 1 ? '' : 's'} of ${policies} assertion${policies === 1 ? '' : 's'}, by ${nodes} node${nodes === 1 ? '' : 's'}`;
}
