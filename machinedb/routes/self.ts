import { createHash } from 'node:crypto';
import { heartbeat as heartbeatSchema } from '../../shared/api/agent.ts';
import type { Caller, Context, Handlers, Request } from '../context.ts';
import { stillValid } from '../http/auth.ts';
import { parseJson } from '../http/json.ts';
import { Problem } from '../http/problem.ts';
import { isSigned } from '../trust/node-key.ts';

const CHECK_MS = 30_000;
/** Messages that a session may send within a check's time; a node beats every 30 s. */
const MESSAGES = 200;

export const selfRoutes = {
  putObserved: async (context, request) => {
    const { node, fingerprint } = nodeCaller(request.caller);
    await checkSignature(context, fingerprint, request.raw, request.headers['machinedb-signature']);
    return await context.reports.put(node, request.input.body, createHash('sha256').update(request.raw).digest('hex'));
  },
  heartbeat: async (context, request) =>
    await context.heartbeats.beat(nodeCaller(request.caller).node, request.input.body),
  getSelfWanted: async ({ db }: Context, { caller }) => {
    const { node } = nodeCaller(caller);
    const row = await db
      .selectFrom('node_now')
      .innerJoin('node', 'node.id', 'node_now.node')
      .select(['generation', 'wanted', 'signature', 'signing_key', 'locked_reason', 'locked_at'])
      .where('node', '=', node)
      .executeTakeFirstOrThrow();
    if (row.locked_at !== null) throw new Problem('locked', `what is wanted is withheld: ${row.locked_reason}`);
    if (row.signature === null) throw new Problem('not_found', 'nothing is wanted of this node yet');
    return {
      node,
      generation: row.generation,
      wanted: row.wanted,
      signature: row.signature,
      key: row.signing_key ?? '',
    };
  },
  session: async () => {
    throw new Problem(
      'invalid',
      'a session is a WebSocket: send Upgrade: websocket, or beat by POST /v1/self/heartbeat',
    );
  },
} satisfies Partial<Handlers>;

/** The node that asks; throws for an operator. */
export function nodeCaller(caller: Caller): Extract<Caller, { kind: 'node' }> {
  if (caller.kind !== 'node') throw new Problem('forbidden', "this is a node's own door: operators read /v1/nodes");
  return caller;
}

/** A relay may carry a report, but only the node can have made it. */
async function checkSignature({ db }: Context, fingerprint: string, raw: Buffer, header: unknown): Promise<void> {
  const key = await db
    .selectFrom('node_key')
    .select(['kind', 'public_key'])
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirstOrThrow();
  const text = Buffer.concat([Buffer.from('machinedb-report\n'), raw]);
  if (typeof header === 'string' && isSigned(key.public_key, key.kind, text, Buffer.from(header, 'base64'))) return;
  throw new Problem('unauthenticated', "the header Machinedb-Signature is not the node's signature over this report");
}

/** What a session goes over: a WebSocket, or a relay's connection that carries many of them. */
export interface SessionSocket {
  readonly readyState: number;
  readonly OPEN: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  on(event: 'message', listener: (data: unknown, isBinary: boolean) => void): unknown;
  on(event: 'ping' | 'close', listener: () => void): unknown;
}

/** A node's session: it beats, and hears at once when something is wanted of it. */
export async function sessionSocket(
  context: Context,
  request: Pick<Request<'session'>, 'caller'>,
  socket: SessionSocket,
): Promise<void> {
  const { node, level } = nodeCaller(request.caller);
  let messages = 0;
  const close = (error: unknown) => {
    const problem = error instanceof Problem ? error : undefined;
    if (problem === undefined) context.log.error({ err: error }, 'session failed');
    socket.close(
      problem === undefined || problem.status >= 500 ? 1013 : 1008,
      problem?.message.slice(0, 120) ?? 'try again',
    );
  };
  const send = (message: object) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const count = () => {
    messages += 1;
    if (messages > MESSAGES) socket.close(1008, 'too many messages');
    return messages <= MESSAGES;
  };
  socket.on('ping', count);
  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(1003, 'a heartbeat is text');
    if (socket.readyState !== socket.OPEN || !count()) return;
    beat(context, node, String(data)).then(send, close);
  });
  const check = () => {
    stillValid(context, request.caller).then((valid) => {
      if (!valid) socket.close(1008, 'the token is no longer valid');
    }, close);
  };
  const timer = setInterval(() => {
    messages = 0;
    check();
  }, CHECK_MS);
  const unsubscribe = context.sessions.add(node, { approved: level !== 'claimed', push: send, check });
  socket.on('close', () => {
    clearInterval(timer);
    unsubscribe();
  });
}

async function beat(context: Context, node: string, text: string) {
  const parsed = heartbeatSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new Problem(
      'invalid',
      `heartbeat ${parsed.error.issues[0]!.path.join('.')}: ${parsed.error.issues[0]!.message}`,
    );
  return await context.heartbeats.beat(node, parsed.data);
}
