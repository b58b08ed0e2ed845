/**
 * What a relay and the centre say to each other on their one connection: binary messages, each a kind, the number of an
 * exchange that the relay chose, and what the kind carries. An exchange is a request with its reply, or a node's session.
 */
export const frameKinds = {
  /** Relay: a request begins; JSON RequestHead. Its body follows. */
  request: 1,
  /** Either: a piece of the body of a request or a reply. */
  body: 2,
  /** Either: the body ends. */
  end: 3,
  /** Centre: a reply begins; JSON ReplyHead. Its body follows. */
  reply: 4,
  /** Relay: a node asks for a session; JSON RequestHead without a body to come. */
  open: 5,
  /** Centre: the session is there. */
  opened: 6,
  /** Either: one text message of a session. */
  message: 7,
  /** Either: a session ends, or was refused; JSON CloseText. */
  close: 8,
} as const;

export type FrameKind = keyof typeof frameKinds;

export interface Frame {
  kind: FrameKind;
  /** Number of the exchange, 1 to 2^32 - 1. */
  id: number;
  payload: Buffer;
}

export interface RequestHead {
  method: string;
  path: string;
  headers: Record<string, string>;
  /** Address of the machine that asks, as the relay saw it. */
  remote: string;
}

export interface ReplyHead {
  status: number;
  headers: Record<string, string>;
}

export interface CloseText {
  /** Of the WebSocket (RFC 6455, section 7.4); an HTTP status when the session was refused. */
  code: number;
  reason: string;
}

/** Bytes of a body that one frame carries at most: a big report must not hold up heartbeats, and the server takes 64 KiB. */
export const PIECE = 48 * 1024;
/** Bytes of a whole body, as the server's API has it. */
export const MOST_BODY = 8 * 1024 * 1024;
const HEAD = 5;

const names = new Map(Object.entries(frameKinds).map(([name, code]) => [code as number, name as FrameKind]));
const nothing = Buffer.alloc(0);

export function encodeFrame(kind: FrameKind, id: number, payload: Buffer | string | object = nothing): Buffer {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const frame = Buffer.alloc(HEAD + bytes.length);
  frame.writeUInt8(frameKinds[kind], 0);
  frame.writeUInt32BE(id, 1);
  bytes.copy(frame, HEAD);
  return frame;
}

/** Undefined: not a frame that this release knows; it is passed over, so that a newer one can say more. */
export function decodeFrame(bytes: Buffer): Frame | undefined {
  const kind = bytes.length < HEAD ? undefined : names.get(bytes.readUInt8(0));
  const id = kind === undefined ? 0 : bytes.readUInt32BE(1);
  return kind === undefined || id === 0 ? undefined : { kind, id, payload: bytes.subarray(HEAD) };
}

/** The frames of a body, and the one that ends it. */
export function* bodyFrames(id: number, body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += PIECE) yield encodeFrame('body', id, body.subarray(at, at + PIECE));
  yield encodeFrame('end', id);
}

/** The JSON object that a frame carries. Throws when it carries none. */
export function frameJson<T>(frame: Frame): T {
  const value = JSON.parse(frame.payload.toString('utf8')) as T;
  if (value === null || typeof value !== 'object') throw new Error(`a frame of kind ${frame.kind} carries no object`);
  return value;
}
