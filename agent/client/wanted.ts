import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonical } from '../../shared/canonical.ts';
import { writeDurably } from '../durable-file.ts';
import type { TrustStore } from './trust-store.ts';

/** What this node should be, as the server signed it. */
export interface SignedWanted {
  node: string;
  generation: number;
  wanted: Record<string, unknown>;
  signature: string;
  key: string;
}

/** Throws unless the wanted state is for this node and signed by a key that is trusted. */
export function checkWanted(signed: SignedWanted, node: string, trust: TrustStore): void {
  const spki = trust.wantedKey(signed.key);
  if (spki === undefined) throw new Error(`the wanted state is signed by key ${signed.key}, which is not trusted`);
  const { generation, wanted } = signed;
  const text = Buffer.from(canonical({ node, generation, wanted }));
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (signed.node !== node || !verify(null, text, key, Buffer.from(signed.signature, 'base64'))) {
    throw new Error(`the signature of wanted generation ${generation} does not hold: it is not used`);
  }
}

/** Keeps the wanted state for a time without server. */
export function keepWanted(directory: string, signed: SignedWanted): void {
  writeDurably(join(directory, 'wanted.json'), JSON.stringify(signed), 0o600);
}

/** The wanted state that is kept and still holds; undefined when there is none. */
export function wantedOf(directory: string, node: string, trust: TrustStore): SignedWanted | undefined {
  try {
    const signed = JSON.parse(readFileSync(join(directory, 'wanted.json'), 'utf8')) as SignedWanted;
    checkWanted(signed, node, trust);
    return signed;
  } catch {
    return undefined;
  }
}

/** Generation of the wanted state that is kept and still holds; 0 when there is none. */
export function keptGeneration(directory: string, node: string, trust: TrustStore): number {
  return wantedOf(directory, node, trust)?.generation ?? 0;
}
