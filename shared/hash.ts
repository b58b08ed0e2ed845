import { createHash } from 'node:crypto';
import { canonical } from './canonical.ts';

/** SHA-256 of a value's canonical JSON, hexadecimal, 64 characters. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** One hash over all sections' hashes: what a heartbeat carries to say "nothing changed". */
export function factsHash(hashes: Record<string, string>): string {
  return hashOf(hashes).slice(0, 32);
}
