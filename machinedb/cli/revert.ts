import type { Row } from '../../shared/api/row.ts';
import { api } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { flagsOf, parseFlags } from './flags.ts';
import { parseSubject } from './intent.ts';
import { callAny, execute, type Terminal } from './run.ts';

const usage = `usage: machinedb revert SUBJECT SECTION --to TIME --reason WHY [--dry-run] [--yes]
       machinedb revert SUBJECT SECTION --revision CURSOR --reason WHY
  SUBJECT is fleet, site/NAME, role/NAME, rack/SITE/NAME or node/ID-OR-FQDN; machinedb events shows cursors`;

/** `machinedb revert`: previews, asks, and writes what a section was, unless somebody changed it in between. */
export async function runRevert(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const flags = flagsOf(api.revertFleetIntent as Row);
  const own = {
    json: { type: 'boolean' },
    yes: { type: 'boolean', short: 'y' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const parsed = parseFlags(argv, flags, own);
  if (parsed.own.help === true) return terminal.out(usage);
  const [subject, section] = parsed.positionals;
  if (
    subject === undefined ||
    section === undefined ||
    parsed.positionals.length > 2 ||
    parsed.body.reason === undefined
  )
    throw new Failure(usage, exitCodes.usage);
  const { layer, params } = parseSubject(subject);
  const now = (await callAny(client(), layer.get, { params })) as { items: { section: string; etag: string }[] };
  const open = now.items.find((item) => item.section === section);
  const call = { params: { ...params, section }, query: parsed.query, body: parsed.body };
  const command = { words: 'revert', operation: layer.revert };
  await execute(
    client(),
    command,
    api[layer.revert],
    call,
    parsed,
    terminal,
    open === undefined ? {} : { ifMatch: open.etag },
  );
}
