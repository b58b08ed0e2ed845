import type { Context } from '../context.ts';
import { Problem } from '../http/problem.ts';
import { isSigned } from './node-key.ts';
import { makeNodeToken } from './node-token.ts';
import { checkNonce } from './nonce.ts';

const AUDIENCE = 'machinedb';

/**
 * Exchanges a client assertion (RFC 7523, JWT by RFC 7519) for a node's token. The node's clock is not trusted: instead of
 * `iat` and `exp` the assertion carries a nonce of ours. Claims: iss = sub = node id, aud = machinedb, nonce. Header:
 * alg EdDSA or ES256, kid = the key's fingerprint.
 */
export async function exchangeAssertion(
  context: Context,
  assertion: string,
): Promise<{ token: string; expiresInS: number }> {
  const parts = assertion.split('.');
  const header = decode(parts[0]);
  const claims = decode(parts[1]);
  if (parts.length !== 3 || header === undefined || claims === undefined) {
    throw new Problem('invalid', 'client_assertion is not a signed JWT (RFC 7519)');
  }
  const { sub, iss, aud, nonce } = claims;
  if (typeof sub !== 'string' || iss !== sub || aud !== AUDIENCE || typeof nonce !== 'string') {
    throw new Problem('invalid', `client_assertion needs iss = sub = node id, aud = "${AUDIENCE}" and nonce`);
  }
  checkNonce(context.keys, nonce, context.now(), context.config.nonceLifeMs);
  const key = await context.db
    .selectFrom('node_key')
    .innerJoin('node', 'node.id', 'node_key.node')
    .select(['public_key', 'kind', 'fingerprint', 'status'])
    .where('fingerprint', '=', String(header.kid))
    .where('node_key.status', 'in', ['current', 'pending', 'rescue'])
    .where('node.revoked_at', 'is', null)
    .where((eb) => eb(eb.cast('node.id', 'text'), '=', sub))
    .executeTakeFirst();
  const signed =
    key !== undefined &&
    header.alg === (key.kind === 'ed25519' ? 'EdDSA' : 'ES256') &&
    isSigned(key.public_key, key.kind, `${parts[0]}.${parts[1]}`, Buffer.from(parts[2]!, 'base64url'));
  if (!signed) throw new Problem('unauthenticated', 'the assertion is not by a key of this node: enrol first');
  // Whoever came with this key knows the machine's hardware, no more: it may not report in the running node's name.
  if (key.status === 'pending') {
    throw new Problem('forbidden', `the key ${key.fingerprint} waits for approval: an operator must approve it`);
  }
  const expiresAt = context.now() + context.config.tokenLifeMs;
  return {
    token: makeNodeToken(context.keys, { node: sub, fingerprint: key.fingerprint, expiresAt }),
    expiresInS: Math.floor(context.config.tokenLifeMs / 1000),
  };
}

function decode(part: string | undefined): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8')) as unknown;
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
