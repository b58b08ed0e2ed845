import { z } from 'zod';
import { name } from '../sections/name.ts';
import { publicKey } from '../sections/ssh.ts';
import { node, nodeParam } from './nodes.ts';
import { onceStatus, onceTarget, rescueStatus } from './rescue-status.ts';
import { reason, row } from './row.ts';

const HOUR_S = 3600;
const seconds = z
  .int()
  .min(60)
  .max(24 * HOUR_S)
  .optional();

/** How long both last when nothing is said, seconds. */
export const DEFAULT_S = HOUR_S;

export const rescueRows = {
  openRescue: row({
    method: 'POST',
    path: '/v1/nodes/{node}/rescue',
    summary: 'Open a rescue: the node boots the discovery image, with SSH for one operator, until a time',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({
      operator: name
        .optional()
        .describe("Who is let in; without a key, by the one that the node's intent has under this label"),
      public_key: publicKey.optional().describe('His key, one line'),
      seconds: seconds.describe('How long; an hour when absent'),
      reason,
    }),
    reply: z.object({ node, rescue: rescueStatus }),
  }),
  closeRescue: row({
    method: 'POST',
    path: '/v1/nodes/{node}/rescue/end',
    summary: 'End a rescue: its sessions end, and the node boots as before',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({ reason: reason.optional() }),
    reply: z.object({ node }),
  }),
  bootOnce: row({
    method: 'POST',
    path: '/v1/nodes/{node}/boot-once',
    summary: 'Say how the next boot goes, and that one only: local or discovery',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({
      target: onceTarget,
      seconds: seconds.describe('When it is forgotten if nothing boots; an hour when absent'),
      reason,
    }),
    reply: z.object({ node, boot_once: onceStatus }),
  }),
  getSelfRescue: row({
    method: 'GET',
    path: '/v1/self/rescue',
    summary: 'Whom the rescue of this node lets in, and for how long',
    scope: 'node:rescue',
    reply: z.object({
      operator: z.string(),
      public_key: z.string().describe('Type and base64'),
      seconds_left: z.number(),
    }),
  }),
  certifySelfRescue: row({
    method: 'POST',
    path: '/v1/self/rescue/host-key',
    summary: "Tell the SSH server's key; its certificate is good for as long as the rescue",
    scope: 'node:rescue',
    body: z.strictObject({ public_key: z.string().max(2000).describe('One line: ssh-ed25519 AAAA...') }),
    reply: z.object({ certificate: z.string() }),
  }),
};
