import { z } from 'zod';
import { bootAnswer, bootRequest, sha256, signedImage } from '../boot.ts';
import { name } from '../sections/name.ts';
import { trust, trustSignatures } from './agent.ts';
import { page, pageQuery, row, time } from './row.ts';

const relay = z.object({
  name,
  site: name,
  created_by: z.string(),
  created_at: time,
  seen_at: time.optional().describe('When it last had its connection'),
  revoked_at: time.optional(),
});
const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/, 'base64 is expected');

/** What a relay knows of a node of its site, to serve it while the centre is away. */
export const relayNode = z.object({
  node: z.uuid(),
  level: z.string(),
  cards: z.record(z.string(), z.array(z.string())).describe('MAC → wanted addresses, CIDR'),
  keys: z
    .array(z.object({ fingerprint: z.string(), kind: z.enum(['ed25519', 'p256']), public_key: base64 }))
    .describe('Current keys: what the node signs is judged by them'),
  boot: bootAnswer,
  later: z
    .object({ at: time, boot: bootAnswer })
    .optional()
    .describe('When a rescue, or a way asked for, ends by itself, and how it boots from then on'),
  install: z
    .object({
      generation: z.int(),
      image: name.describe('Among those of the site'),
      wipe: z.boolean(),
      disk: z.record(z.string(), z.unknown()).describe('Rule that the disk must meet'),
      after: bootAnswer.describe('How it boots when that is done'),
    })
    .optional()
    .describe('What a person asked for and is not done: it may begin and end while the centre is away'),
});
export type RelayNode = z.infer<typeof relayNode>;

/** A thing that a node told a relay while the centre was away, as the node signed it. */
export const relaySaid = z.strictObject({
  node: z.uuid(),
  method: z.enum(['PUT', 'POST']),
  path: z.enum(['/v1/self/observed', '/v1/self/applied', '/v1/self/install', '/v1/enrol']),
  order: z.string().max(120).optional().describe('Its header Machinedb-Said; a report has its own order inside'),
  signature: base64.max(500).describe('Its header Machinedb-Signature; that of a claim is inside, too'),
  body: z.string().max(8 * 1024 * 1024),
});
export type RelaySaid = z.infer<typeof relaySaid>;

export const relaySelf = z.object({
  name,
  site: name,
  trust,
  trust_signatures: trustSignatures,
  certificates: z.array(z.string()).describe('Certificate authorities that are valid, PEM'),
  unknown: bootAnswer.describe('How a machine boots that nobody knows'),
  images: z.array(signedImage).describe('What its site is booted and installed with now'),
});
export type RelaySelf = z.infer<typeof relaySelf>;

export const relayRows = {
  listRelays: row({
    method: 'GET',
    path: '/v1/relays',
    summary: 'List relays, the boot services of racks that stand apart',
    scope: 'admin',
    query: z.strictObject(pageQuery),
    reply: page(relay),
  }),
  createRelay: row({
    method: 'POST',
    path: '/v1/relays',
    summary: "Make a relay's credential, for one site; its token is shown once",
    scope: 'admin',
    body: z.strictObject({ name, site: name.describe('The site whose nodes it serves') }),
    reply: relay.extend({ token: z.string() }),
  }),
  revokeRelay: row({
    method: 'DELETE',
    path: '/v1/relays/{relay}',
    summary: 'Revoke a relay: its connection is closed at once',
    scope: 'admin',
    params: z.strictObject({ relay: name }),
    reply: relay,
  }),
  getRelaySelf: row({
    method: 'GET',
    path: '/v1/relay',
    summary: 'What a relay serves its site with',
    scope: 'relay',
    reply: relaySelf,
  }),
  listRelayNodes: row({
    method: 'GET',
    path: '/v1/relay/nodes',
    summary: "The nodes of a relay's site: how each boots, and the keys it signs with",
    scope: 'relay',
    query: z.strictObject(pageQuery),
    reply: page(relayNode),
  }),
  getRelayBoot: row({
    method: 'GET',
    path: '/v1/relay/boot',
    summary: 'How a machine boots that asks a relay now; a node of another site is an unknown machine',
    scope: 'relay',
    query: bootRequest,
    reply: bootAnswer,
  }),
  getRelayFile: row({
    method: 'GET',
    path: '/v1/relay/files/{sha256}',
    summary: "A file of an image, by its SHA-256: the file's bytes",
    scope: 'relay',
    params: z.strictObject({ sha256 }),
    reply: z.string(),
  }),
  certifyRelay: row({
    method: 'POST',
    path: '/v1/relay/certificate',
    summary: "A server certificate for a relay's own key, which agents accept as the server's",
    scope: 'relay',
    body: z.strictObject({
      public_key: base64.max(500).describe('ECDSA P-256, SubjectPublicKeyInfo, DER'),
      names: z.array(z.string().min(1).max(253)).max(16).describe('Names and addresses that the relay is reached by'),
    }),
    reply: z.object({ certificate: z.string().describe('PEM, with its chain'), valid_s: z.int() }),
  }),
  putRelaySaid: row({
    method: 'PUT',
    path: '/v1/relay/said',
    summary:
      'Deliver what a node told while the centre was away; what came before is answered the same and not done again',
    scope: 'relay',
    body: relaySaid,
    reply: z.object({}),
  }),
  relayLink: row({
    method: 'GET',
    path: '/v1/relay/link',
    summary: "The one connection of a relay: requests and sessions of its rack's agents, in frames",
    scope: 'relay',
    websocket: 'binary frames of shared/relay-frame.ts, both ways',
    reply: z.object({}),
  }),
};
