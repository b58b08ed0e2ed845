import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { z } from 'zod';
import { enrolBody, report } from '../../shared/api/agent.ts';
import type { RelaySaid } from '../../shared/api/relay.ts';
import { api } from '../../shared/api.ts';
import { isSignedBy } from '../../shared/node-signature.ts';
import { parseOrder, type SaidOrder, saidText } from '../../shared/said-text.ts';
import type { Context } from '../context.ts';
import { type Tx, transaction } from '../db.ts';
import { enrolLater } from '../enrol/enrol.ts';
import { parseJson } from '../http/json.ts';
import { Problem } from '../http/problem.ts';
import { storeApplied } from '../install/applied.ts';
import { tellInstall } from '../install/progress.ts';
import { checkSite } from './site-nodes.ts';

const BOOTS_KEPT = 20;

/**
 * Takes what a node said while the centre was away, out of the hands of its site's relay. The node's own signature decides: the
 * relay cannot change it, and what came before is answered the same and not done again. Throws what is never to be taken.
 */
export async function takeSaid(context: Context, site: string, said: RelaySaid): Promise<void> {
  await checkSite(context.db, said.node, site);
  if (said.path === '/v1/enrol') {
    await enrolLater(context, parseAs(enrolBody, said.body), said.node);
    return;
  }
  if (said.path === '/v1/self/observed') {
    await checkSigned(context, said, `machinedb-report\n${said.body}`, false);
    const digest = createHash('sha256').update(said.body).digest('hex');
    await context.reports.put(said.node, parseAs(report, said.body), digest);
    return;
  }
  const order = parseOrder(said.order);
  if (order === undefined) throw new Problem('invalid', 'order: a boot and a number are expected');
  await checkSigned(context, said, saidText(said.method, said.path, order, said.body), true);
  const store = storeOf(said);
  await transaction(context.db, async (tx) => {
    if (await isNext(tx, said.node, order)) await store(tx);
  });
}

function storeOf({ node, path, body }: RelaySaid): (tx: Tx) => Promise<unknown> {
  if (path === '/v1/self/install') {
    const told = parseAs(api.putSelfInstall.body, body);
    return (tx) => tellInstall(tx, node, told);
  }
  const applied = parseAs(api.putSelfApplied.body, body);
  return (tx) => storeApplied(tx, node, applied);
}

async function checkSigned({ db }: Context, said: RelaySaid, text: string, approved: boolean): Promise<void> {
  const keys = await db
    .selectFrom('node_key')
    .innerJoin('node', 'node.id', 'node_key.node')
    .select(['kind', 'public_key', 'level'])
    .where('node', '=', said.node)
    .where('status', '=', 'current')
    .where('revoked_at', 'is', null)
    .execute();
  const signature = Buffer.from(said.signature, 'base64');
  const key = keys.find(({ kind, public_key }) => isSignedBy(public_key, kind, text, signature));
  if (key === undefined) throw new Problem('unauthenticated', 'it is not signed by a key that the node has now');
  if (approved && key.level !== 'approved' && key.level !== 'attested')
    throw new Problem('forbidden', 'only an approved node tells this');
}

function parseAs<T extends z.ZodType>(schema: T, body: string): z.output<T> {
  const parsed = schema.safeParse(parseJson(body));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new Problem('invalid', `body /${path.join('/')}: ${message}`);
}

/** Whether this comes after all that came of the boot; then it is noted. The newest boots are kept in mind. */
async function isNext(tx: Tx, node: string, { boot_id, n }: SaidOrder): Promise<boolean> {
  const { rows } = await sql`
    insert into node_said (node, boot_id, n) values (${node}, ${boot_id}, ${n})
    on conflict (node, boot_id) do update set n = excluded.n, at = now() where node_said.n < excluded.n
    returning n`.execute(tx);
  await sql`
    delete from node_said where node = ${node} and boot_id in (
      select boot_id from node_said where node = ${node} order by at desc offset ${BOOTS_KEPT})`.execute(tx);
  return rows.length > 0;
}
