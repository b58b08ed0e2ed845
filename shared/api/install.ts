import { z } from 'zod';
import { bootAnswer, bootRequest, imageManifest, signedImage } from '../boot.ts';
import { name } from '../sections/name.ts';
import { installPhase, installStatus } from './install-status.ts';
import { node, nodeParam } from './nodes.ts';
import { page, pageQuery, reason, row, time } from './row.ts';

const percent = z.int().min(0).max(100).optional();
const line = z.string().max(1000).optional();
const catalogued = signedImage.extend({ created_by: z.string(), created_at: time });

export const installRows = {
  listImages: row({
    method: 'GET',
    path: '/v1/images',
    summary: 'List images',
    scope: 'read',
    query: z.strictObject(pageQuery),
    reply: page(
      z.object({
        name: z.string(),
        kind: z.enum(['discovery', 'disk']),
        architecture: z.string(),
        size_bytes: z.int().describe('Of its files'),
        built_at: time,
        created_by: z.string(),
      }),
    ),
  }),
  getImage: row({
    method: 'GET',
    path: '/v1/images/{image}',
    summary: 'Show an image: its signed manifest',
    scope: 'read',
    params: z.strictObject({ image: name }),
    reply: catalogued,
  }),
  putImage: row({
    method: 'PUT',
    path: '/v1/images/{image}',
    summary: 'Take an image into the catalogue: its manifest is signed, and never changes after',
    scope: 'admin',
    params: z.strictObject({ image: name }),
    body: imageManifest,
    reply: catalogued,
  }),
  explainBoot: row({
    method: 'GET',
    path: '/v1/boot',
    summary: 'How a machine boots that asks now, and why; also an invented one',
    scope: 'read',
    query: bootRequest,
    reply: bootAnswer,
  }),
  reinstallNode: row({
    method: 'POST',
    path: '/v1/nodes/{node}/reinstall',
    summary: 'Ask for an install: the next boot from the network writes the image to the disk',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({
      image: name.optional().describe('Image; the intended one when absent'),
      wipe: z.boolean().optional().describe('Also a disk that holds data'),
      reason,
    }),
    reply: z.object({ node, install: installStatus }),
  }),
  cancelInstall: row({
    method: 'POST',
    path: '/v1/nodes/{node}/reinstall/cancel',
    summary: 'Take back an install that was asked for',
    scope: 'write',
    params: nodeParam,
    body: z.strictObject({ reason }),
    reply: z.object({ node }),
  }),
  getSelfInstall: row({
    method: 'GET',
    path: '/v1/self/install',
    summary: 'The image that this node is to be installed with, if a person asked for it',
    scope: 'node:approved',
    reply: z.object({
      install: z
        .object({
          generation: z.int(),
          image: signedImage,
          wipe: z.boolean(),
          disk: z.record(z.string(), z.unknown()).describe('Rule that the disk must meet'),
        })
        .optional(),
    }),
  }),
  putSelfInstall: row({
    method: 'PUT',
    path: '/v1/self/install',
    summary: 'Tell how far the install is',
    scope: 'node:approved',
    body: z.strictObject({ generation: z.int(), phase: installPhase, percent, disk: line, message: line }),
    reply: z.object({ proceed: z.boolean().describe('Whether the install is still wanted') }),
  }),
  startSelfDisk: row({
    method: 'POST',
    path: '/v1/self/starts-disk',
    summary: 'Tell that the machine has an operating system of its own, which it starts now',
    scope: 'node:claimed',
    body: z.strictObject({ starts_disk: z.boolean() }),
    reply: z.object({ starts_disk: z.boolean() }),
  }),
  putSelfApplied: row({
    method: 'PUT',
    path: '/v1/self/applied',
    summary: 'Tell what became of a wanted state: planned, applied or undone, and why',
    scope: 'node:approved',
    body: z.strictObject({
      generation: z.int(),
      outcome: z.enum(['same', 'planned', 'applied', 'undone', 'failed']),
      steps: z.array(z.string().max(4000)).max(100).describe('Per file or command one text'),
      reason: line,
    }),
    reply: z.object({}),
  }),
  getSshCa: row({
    method: 'GET',
    path: '/v1/ssh-ca',
    summary: "The certificate authority of nodes' SSH host keys, as a known_hosts line",
    scope: 'public',
    reply: z.object({ public_key: z.string(), fingerprint: z.string(), known_hosts: z.string() }),
  }),
  signSelfSshHostKey: row({
    method: 'POST',
    path: '/v1/self/ssh-host-certificate',
    summary: 'A certificate for the SSH host key of this node, for its intended names and addresses',
    scope: 'node:approved',
    body: z.strictObject({ public_key: z.string().max(2000).describe('One line: ssh-ed25519 AAAA...') }),
    reply: z.object({ certificate: z.string() }),
  }),
};
