import { createPublicKey, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Trust } from '../../shared/api/agent.ts';
import { canonical } from '../../shared/canonical.ts';
import { makeFolder, writeWhole } from './durable.ts';

interface Signed {
  node: string;
  generation: number;
  wanted: Record<string, unknown>;
  signature: string;
  key: string;
}

/** What is wanted of each node, as the centre signed it and the node fetched it through this relay. */
export class WantedCache {
  readonly #directory: string;

  constructor(directory: string) {
    makeFolder(directory);
    this.#directory = directory;
  }

  /** Keeps a reply of GET /v1/self/wanted if its signature holds. Its reader is the node, which judges it by itself, too. */
  async keep(body: Buffer, trust: Trust): Promise<void> {
    const signed = JSON.parse(body.toString('utf8')) as Signed;
    if (isGood(signed, trust)) await writeWhole(this.#path(signed.node), JSON.stringify(signed));
  }

  /** The newest that was kept for a node and still holds. */
  async get(node: string, trust: Trust): Promise<Signed | undefined> {
    try {
      const signed = JSON.parse(await readFile(this.#path(node), 'utf8')) as Signed;
      return signed.node === node && isGood(signed, trust) ? signed : undefined;
    } catch {
      return undefined;
    }
  }

  #path(node: string): string {
    return join(this.#directory, `${node}.json`);
  }
}

function isGood({ node, generation, wanted, signature, key }: Signed, trust: Trust): boolean {
  const spki = trust.wanted_keys.find(({ id }) => id === key)?.public_key;
  if (spki === undefined || !/^[0-9a-f-]{36}$/.test(node)) return false;
  const publicKey = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  const text = Buffer.from(canonical({ node, generation, wanted }));
  return verify(null, text, publicKey, Buffer.from(signature, 'base64'));
}
