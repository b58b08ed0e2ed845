import { renderGrub } from '../../pxe/http/grub.ts';
import { renderIpxe } from '../../pxe/http/ipxe.ts';
import { pausesOf } from '../../pxe/http/pauses.ts';
import { interfaceOf } from '../../pxe/pxe.ts';
import type { Reply } from '../../shared/api.ts';
import type { Context } from '../context.ts';
import { Problem } from '../http/problem.ts';
import { documentNames, documentOf, instanceId, type SeedNode } from '../seed/documents.ts';
import { readSeedNode } from '../seed/read.ts';
import { explainBoot } from './boot.ts';

const MASK = '***';
/** Words of a kernel's command line whose values admit somebody. */
const secretWord = /\b([\w.-]*(?:token|nonce|secret|password|key)[\w.-]*=)\S+/gi;

interface Asked {
  platform?: 'efi' | 'pcbios' | undefined;
  loader?: 'ipxe' | 'grub' | undefined;
}

/** What a node would get if it booted now: its script and its cloud-init documents. It only reads, and shows no secret. */
export async function previewBoot(context: Context, id: string, asked: Asked): Promise<Reply<'previewBoot'>> {
  if (asked.loader === 'grub' && asked.platform === 'pcbios')
    throw new Problem('invalid', 'a BIOS starts no signed GRUB: ask for platform efi, or for loader ipxe');
  const node = await readSeedNode(context.db, id);
  const documents = documentNames.map((name) => [name, attempt(node, name)] as const);
  const secrets = Object.keys(node.intent.cloud_init?.secrets ?? {});
  return {
    node: id,
    instance_id: instanceId(node),
    ...(await scriptOf(context, id, asked)),
    documents: Object.fromEntries(documents) as Reply<'previewBoot'>['documents'],
    secrets: Object.fromEntries(secrets.map((name) => [name, MASK])),
  };
}

function attempt(node: SeedNode, name: (typeof documentNames)[number]): { text: string } | { problem: string } {
  try {
    return { text: documentOf(node, name) };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
}

async function scriptOf(context: Context, id: string, { platform = 'efi', loader = 'ipxe' }: Asked) {
  const { macs } = await context.db
    .selectFrom('node_now')
    .select('macs')
    .where('node', '=', id)
    .executeTakeFirstOrThrow();
  const mac = macs[0];
  if (mac === undefined) return { reason: 'it has told no MAC address yet, so nobody knows what asks', script: '' };
  const answer = await explainBoot(context, { mac, arch: platform === 'efi' ? 7 : 0 });
  const { pxe, host, port, tls } = context.config;
  // Another daemon's boot service, or a relay's, puts its own addresses in.
  const server = pxe === undefined ? 'BOOT-SERVICE' : interfaceOf(pxe.interface).address;
  const bootUrl = pxe === undefined ? `http://${server}` : `http://${server}:${pxe.httpPort}`;
  const url = `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const words = [`machinedb.url=${url}`, `machinedb.files=${bootUrl}/files`];
  // Each machine gets pauses of its own; here stand those of the middle.
  const pauses = pausesOf(() => 0.5);
  const script =
    loader === 'grub'
      ? renderGrub(answer, { server, mac, arguments: words })
      : renderIpxe(answer, { url: bootUrl, platform, arguments: words, pauses });
  return { reason: answer.reason, script: script.replaceAll(secretWord, `$1${MASK}`) };
}
