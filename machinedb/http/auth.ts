import { sql } from 'kysely';
import type { Scope } from '../../shared/api/row.ts';
import type { Caller, Context } from '../context.ts';
import { RELAY_PREFIX, relayCaller } from '../relays/relay-token.ts';
import { type NodeToken, readNodeToken } from '../trust/node-token.ts';
import { hashToken, OPERATOR_PREFIX } from '../trust/operator-token.ts';
import { Problem } from './problem.ts';

const refused = () =>
  new Problem(
    'unauthenticated',
    'no valid token: send "Authorization: Bearer TOKEN"; operators make one with machinedb token create',
  );

/** Who is asking, by the bearer token (RFC 6750). Throws when it is missing, unknown, expired or revoked. */
export async function authenticate(context: Context, header: string | undefined): Promise<Caller> {
  const token = /^Bearer ([\x21-\x7e]{1,1000})$/i.exec(header ?? '')?.[1];
  if (token === undefined) throw refused();
  const caller = await callerOf(context, token);
  if (caller === undefined) throw refused();
  return caller;
}

async function callerOf(context: Context, token: string): Promise<Caller | undefined> {
  if (token.startsWith(OPERATOR_PREFIX)) return await operator(context, token);
  if (token.startsWith(RELAY_PREFIX)) return await relayCaller(context.db, token);
  return await node(context, token);
}

async function operator(context: Context, token: string): Promise<Caller | undefined> {
  const row = await context.db
    .selectFrom('token')
    .select(['name', 'scopes', 'expires_at'])
    .where('hash', '=', hashToken(token))
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  const expiresAt = row?.expires_at?.getTime();
  if (row === undefined || (expiresAt !== undefined && expiresAt < context.now())) return undefined;
  return { kind: 'operator', name: row.name, scopes: row.scopes as never, expiresAt, token };
}

async function node(context: Context, token: string): Promise<Caller | undefined> {
  const content = readNodeToken(context.keys, token, context.now());
  return content === undefined ? undefined : await nodeOf(context, content);
}

async function nodeOf(context: Context, content: NodeToken): Promise<Caller | undefined> {
  const row = await context.db
    .selectFrom('node_key')
    .innerJoin('node', 'node.id', 'node_key.node')
    .select(['node.level', 'status'])
    .where('fingerprint', '=', content.fingerprint)
    .where('node', '=', content.node)
    .where('revoked_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('status', '=', 'current'),
        eb.and([eb('status', '=', 'rescue'), eb('rescue_until', '>', sql<Date>`clock_timestamp()`)]),
      ]),
    )
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const level = row.status === 'rescue' ? 'rescue' : row.level === 'seen' ? 'claimed' : row.level;
  return { kind: 'node', node: content.node, fingerprint: content.fingerprint, level, expiresAt: content.expiresAt };
}

/** Whether a caller that was admitted earlier still is: for connections that stay open. */
export async function stillValid(context: Context, caller: Caller): Promise<boolean> {
  if (caller.kind === 'public') return true;
  if (caller.kind === 'operator' || caller.kind === 'relay')
    return (await callerOf(context, caller.token)) !== undefined;
  const { node: id, fingerprint, expiresAt } = caller;
  if (context.now() > expiresAt) return false;
  const now = await nodeOf(context, { node: id, fingerprint, expiresAt });
  return now?.kind === 'node' && now.level === caller.level;
}

/** What a node's token opens, by its level. A machine in rescue is not the node: it reports nothing, and is given nothing. */
const opens: Record<Extract<Caller, { kind: 'node' }>['level'], Scope[]> = {
  claimed: ['node:claimed'],
  approved: ['node:claimed', 'node:approved'],
  attested: ['node:claimed', 'node:approved'],
  rescue: ['node:rescue'],
};

/** Throws unless the caller's credential allows the scope. */
export function authorize(caller: Caller, scope: Scope): void {
  if (scope === 'public') return;
  if (caller.kind === 'operator' && caller.scopes.includes(scope as never)) return;
  if (caller.kind === 'relay' && scope === 'relay') return;
  if (caller.kind === 'node' && opens[caller.level].includes(scope)) return;
  const has =
    caller.kind === 'operator'
      ? `the token "${caller.name}" has scope ${caller.scopes.join(', ')}`
      : caller.kind === 'relay'
        ? `the token of relay ${caller.name} is for its own doors`
        : `a node's token of level ${caller.kind === 'node' ? caller.level : 'none'}`;
  throw new Problem('forbidden', `this needs scope ${scope}, and ${has}`);
}
