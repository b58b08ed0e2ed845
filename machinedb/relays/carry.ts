import type { FastifyInstance } from 'fastify';
import type { ReplyHead, RequestHead } from '../../shared/relay-frame.ts';
import type { Context } from '../context.ts';
import { Problem } from '../http/problem.ts';
import { readNodeToken } from '../trust/node-token.ts';
import { CARRIED_FOR } from './carried-for.ts';
import { checkSite } from './site-nodes.ts';

/** What agents ask of the service, and what a relay asks itself; an operator's requests take another way. */
const agents = /^(POST \/v1\/(nonce|enrol|token)|GET \/v1\/(trust|ssh-ca)|\w+ \/v1\/self(\/[a-z-]+)?)$/;
const own = /^(GET \/v1\/relay(\/nodes|\/boot)?|POST \/v1\/relay\/certificate|PUT \/v1\/relay\/said)$/;
/** Headers that mean something to a handler; the rest of what an agent sends ends at the relay. */
const passed = ['authorization', 'content-type', 'content-encoding', 'machinedb-signature', 'machinedb-said'];

export interface Carried {
  head: ReplyHead;
  body: Buffer;
}

/**
 * Does a request that came through a relay as if the agent had sent it: the same checks, by the agent's own credential. A node
 * of another site than the relay's is answered as one that does not exist.
 */
export async function carry(
  server: FastifyInstance,
  context: Context,
  site: string,
  head: RequestHead,
  body: Buffer,
): Promise<Carried> {
  try {
    const [path = ''] = head.path.split('?');
    const line = `${head.method} ${path}`;
    const isAgent = agents.test(line);
    if (!isAgent && !own.test(line)) throw new Problem('not_found', `a relay carries no ${line.slice(0, 200)}`);
    const node = isAgent ? nodeOf(context, { ...head, path }, body) : undefined;
    if (node !== undefined) await checkSite(context.db, node, site);
    const headers = Object.entries(head.headers).filter(([name]) => passed.includes(name));
    const reply = await server.inject({
      method: head.method as 'GET',
      url: head.path,
      // Whose node a claim is about is known only where it is decided.
      headers: { ...Object.fromEntries(headers), [CARRIED_FOR]: site },
      remoteAddress: head.remote,
      ...(body.length === 0 ? {} : { payload: body }),
    });
    const wait = reply.headers['retry-after'];
    return {
      head: {
        status: reply.statusCode,
        headers: {
          'content-type': String(reply.headers['content-type'] ?? 'application/json'),
          ...(wait === undefined ? {} : { 'retry-after': String(wait) }),
        },
      },
      body: reply.rawPayload,
    };
  } catch (error) {
    return refusal(context, error);
  }
}

/** The node that a request to a path speaks for, by the credential in it; undefined: by none yet. */
function nodeOf(context: Context, { headers, path }: RequestHead, body: Buffer): string | undefined {
  if (path === '/v1/token') return subjectOf(body);
  const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  return token === undefined ? undefined : readNodeToken(context.keys, token, context.now())?.node;
}

/** Who an assertion says it is by; its signature is checked after. */
function subjectOf(body: Buffer): string | undefined {
  try {
    const { client_assertion } = JSON.parse(body.toString('utf8')) as { client_assertion: string };
    const claims = Buffer.from(client_assertion.split('.')[1]!, 'base64url').toString('utf8');
    return String((JSON.parse(claims) as { sub: unknown }).sub);
  } catch {
    return undefined;
  }
}

function refusal(context: Context, error: unknown): Carried {
  const problem =
    error instanceof Problem ? error : new Problem('internal', 'an error that MachineDB does not know; its log has it');
  if (problem.status >= 500) context.log.error({ err: error }, 'a carried request failed');
  const headers = { 'content-type': 'application/problem+json' };
  return { head: { status: problem.status, headers }, body: Buffer.from(JSON.stringify(problem.body())) };
}
