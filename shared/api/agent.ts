import { z } from 'zod';
import { row } from './row.ts';

const base64 = z.string().regex(/^[A-Za-z0-9+/_-]+={0,2}$/, 'base64 is expected');
const identifier = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\x21-\x7e]+$/);
const printable = z
  .string()
  .max(40)
  .regex(/^[\x20-\x7e]*$/, 'printable ASCII is expected');
const hint = z.string().min(1).max(200).optional();

/** Hints for matching a machine with a node; never credentials. What a newer agent adds is signed, too, so it is kept. */
export const hardware = z.looseObject({
  uuid: hint,
  serial: hint,
  board_serial: hint,
  chassis_serial: hint,
  vendor: hint,
  product: hint,
  macs: z.array(z.string().max(64)).max(64).optional().describe('Permanent MACs of physical NICs'),
  dimms: z.array(z.string().max(100)).max(128).optional().describe('Memory modules, PART SERIAL each'),
  disk: z.uuid().optional().describe('Node whose identity was on the disk, when the disk came from other hardware'),
  hostname: hint,
});

export const enrolBody = z.strictObject({
  nonce: z.string().max(500),
  kind: z.enum(['ed25519', 'p256']),
  public_key: base64.max(500).describe('SubjectPublicKeyInfo, DER, base64'),
  hardware,
  boot_id: identifier,
  join_token: z.string().max(200).optional(),
  rescue: z.literal(true).optional().describe('It was booted for a rescue, and claims the key of that only'),
  previous: z
    .strictObject({ node: z.uuid(), signature: base64.max(500) })
    .optional()
    .describe('The node it already is, and the signature by the key it had over the same text'),
  signature: base64.max(500).describe('By the new key over the text of shared/enrol-text.ts'),
});

export const enrolReply = z.object({
  node: z.uuid(),
  fingerprint: z.string().describe('Of the key, as the console shows it and the approval names it'),
  state: z.string(),
  status: z
    .enum(['approved', 'pending', 'rekey', 'rescue'])
    .describe('rekey: known machine, new key, a person must decide; rescue: the key is good for the rescue only'),
});

export const heartbeat = z.strictObject({
  boot_id: identifier,
  seq: z.int().min(0),
  facts: z
    .string()
    .regex(/^[0-9a-f]{0,64}$/)
    .describe("Hash over all sections' hashes"),
  generation: z.int().min(0).describe('Of the wanted state it has'),
  version: printable,
});
export type Heartbeat = z.infer<typeof heartbeat>;
export const heartbeatReply = z.object({
  next_in_ms: z.int(),
  lease_ms: z.int(),
  want: z.array(z.enum(['observed', 'wanted', 'trust', 'install', 'apply'])),
});
export type HeartbeatReply = z.infer<typeof heartbeatReply>;

/** A report: the sections that changed. Judged section by section on the server. */
export const report = z.object({
  boot_id: identifier,
  seq: z.int().min(1),
  version: z.string().max(40),
  sections: z.record(z.string().max(40), z.unknown()).describe('Section → data; null: no longer there'),
  errors: z.record(z.string().max(40), z.string().max(1000)).optional(),
});
export type Report = z.infer<typeof report>;

export const trust = z.object({
  name: z.string().describe('The name that the server certificate carries'),
  pins: z.array(z.string()).describe('SHA-256 of the subject public key info of each CA that is valid, hexadecimal'),
  wanted_keys: z.array(z.object({ id: z.string(), public_key: z.string() })),
});
export type Trust = z.infer<typeof trust>;

/** Of the trust, by each CA that is valid: whoever hands it on cannot make it. */
export const trustSignatures = z.array(z.object({ public_key: z.string(), signature: z.string() }));

export const agentRows = {
  getNonce: row({
    method: 'POST',
    path: '/v1/nonce',
    summary: "A nonce to sign: the server's clock, not the node's, decides freshness",
    scope: 'public',
    reply: z.object({ nonce: z.string(), expires_in: z.int() }),
  }),
  enrol: row({
    method: 'POST',
    path: '/v1/enrol',
    summary: 'Claim to be a machine',
    scope: 'public',
    body: enrolBody,
    reply: enrolReply,
  }),
  getToken: row({
    method: 'POST',
    path: '/v1/token',
    summary: 'Exchange a signed assertion over a nonce for a short-lived token (RFC 7523)',
    scope: 'public',
    body: z.strictObject({
      grant_type: z.literal('client_credentials'),
      client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer'),
      client_assertion: z
        .string()
        .max(4000)
        .describe('JWT by the node key: iss = sub = node id, aud = machinedb, nonce'),
    }),
    reply: z.object({
      access_token: z.string(),
      token_type: z.literal('Bearer'),
      expires_in: z.int(),
      trust,
      trust_signatures: trustSignatures.describe('By the CAs, over the text of shared/signed-trust.ts'),
    }),
  }),
  getTrust: row({
    method: 'GET',
    path: '/v1/trust',
    summary: 'Certificate authorities and signing keys',
    scope: 'public',
    reply: trust.extend({ certificates: z.array(z.string()).describe('PEM') }),
  }),
  getSelf: row({
    method: 'GET',
    path: '/v1/self',
    summary: 'What the server knows of the node that asks',
    scope: 'node:claimed',
    reply: z.object({
      node: z.uuid(),
      state: z.string(),
      level: z.string(),
      hashes: z.record(z.string(), z.string()),
      generation: z.int(),
    }),
  }),
  putObserved: row({
    method: 'PUT',
    path: '/v1/self/observed',
    summary: 'Report sections that changed; signed in the header Machinedb-Signature',
    scope: 'node:claimed',
    body: report,
    reply: z.object({
      hashes: z.record(z.string(), z.string()).describe('Section → hash stored'),
      rejected: z.record(z.string(), z.string()).describe('Section → why it was not stored'),
    }),
  }),
  heartbeat: row({
    method: 'POST',
    path: '/v1/self/heartbeat',
    summary: 'Say that the node is alive',
    scope: 'node:claimed',
    body: heartbeat,
    reply: heartbeatReply,
  }),
  getSelfWanted: row({
    method: 'GET',
    path: '/v1/self/wanted',
    summary: 'What the node should be, signed',
    scope: 'node:approved',
    reply: z.object({
      node: z.uuid(),
      generation: z.int(),
      wanted: z.record(z.string(), z.unknown()),
      signature: z.string(),
      key: z.string(),
    }),
  }),
  session: row({
    method: 'GET',
    path: '/v1/self/session',
    summary: 'A session: heartbeats up, wants down',
    scope: 'node:claimed',
    websocket: 'client: heartbeat; server: heartbeat reply, also unasked',
    reply: heartbeatReply,
  }),
};
