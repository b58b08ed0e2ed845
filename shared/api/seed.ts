import { z } from 'zod';
import { name } from '../sections/name.ts';
import { nodeParam } from './nodes.ts';
import { row } from './row.ts';

const token = z.string().max(300).describe('Token of this boot, or none: what everybody may know');
const document = z.enum(['meta-data', 'user-data', 'vendor-data', 'network-config']);
/** What cloud-init's module phone_home posts is a few kB. */
const FORM = 64 * 1024;

export const seedRows = {
  getSeed: row({
    method: 'GET',
    path: '/seed/{token}/{document}',
    summary: "A file of a node's NoCloud seed for cloud-init; empty where there is nothing to say",
    scope: 'public',
    params: z.strictObject({ token, document }),
    reply: z.string(),
  }),
  getSeedSecret: row({
    method: 'GET',
    path: '/seed/{token}/secret/{secret}',
    summary: "A secret of the node's cloud_init intent: once, at its first boot",
    scope: 'public',
    params: z.strictObject({ token, secret: name }),
    reply: z.string(),
  }),
  phoneHome: row({
    method: 'POST',
    path: '/seed/{token}/phone-home',
    summary: "What cloud-init's module phone_home tells at the end of a first boot: host keys and names",
    scope: 'public',
    params: z.strictObject({ token }),
    form: true,
    body: z.string().max(FORM, `the form is larger than ${FORM} characters`),
    reply: z.string(),
  }),
  openSeed: row({
    method: 'POST',
    path: '/v1/self/seed',
    summary: "A token for this node's NoCloud seed, good for this boot",
    scope: 'node:approved',
    body: z.strictObject({
      boot_id: z
        .string()
        .min(1)
        .max(100)
        .regex(/^[\x21-\x7e]+$/),
    }),
    reply: z.object({ token: z.string(), expires_in: z.int().describe('Seconds') }),
  }),
  previewBoot: row({
    method: 'GET',
    path: '/v1/nodes/{node}/boot',
    summary: 'The boot script and the cloud-init documents that a node would get now; nothing happens by it',
    scope: 'read',
    params: nodeParam,
    query: z.strictObject({
      platform: z.enum(['efi', 'pcbios']).optional().describe('Of its firmware; efi when absent'),
      loader: z
        .enum(['ipxe', 'grub'])
        .optional()
        .describe('What reads the script: GRUB where Secure Boot is on; iPXE when absent'),
    }),
    reply: z.object({
      node: z.string(),
      instance_id: z.string(),
      reason: z.string().describe('Why it boots so'),
      script: z.string().describe("The loader's"),
      documents: z.record(
        document,
        z.object({ text: z.string().optional(), problem: z.string().optional().describe('Why there is none') }),
      ),
      secrets: z.record(z.string(), z.string()).describe('Those it may fetch once, masked'),
    }),
  }),
};
