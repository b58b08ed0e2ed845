import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Trust } from '../../shared/api/agent.ts';
import { writeDurably } from '../durable-file.ts';

/** Which servers the agent believes: pins given at the start, and those that a trusted server told since. */
export interface TrustStore {
  pins(): readonly string[];
  /** Public key (SPKI, DER) of a key that signs wanted states; undefined when it is not trusted. */
  wantedKey(id: string): Buffer | undefined;
  /** Takes over what the server says over a connection that was proven to be its. */
  learn(trust: Trust): void;
}

interface Stored {
  /** The pins given when this was learned: other ones mean that somebody points the agent at another server. */
  given: readonly string[];
  trust: Trust;
}

/**
 * @param given pins of the command line or the image. What a server that they proved has told since replaces them, so that
 *   a retired CA is trusted no more; given anew and differently, they count again
 */
export function openTrust(directory: string, given: readonly string[]): TrustStore {
  const file = join(directory, 'trust.json');
  let known = read(file, given);
  return {
    pins: () => known?.pins ?? given,
    wantedKey(id) {
      const key = known?.wanted_keys.find((wanted) => wanted.id === id);
      return key === undefined ? undefined : Buffer.from(key.public_key, 'base64');
    },
    learn(trust) {
      if (JSON.stringify(trust) === JSON.stringify(known)) return;
      writeDurably(file, JSON.stringify({ given, trust } satisfies Stored), 0o600);
      known = trust;
    },
  };
}

function read(file: string, given: readonly string[]): Trust | undefined {
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Stored;
    return JSON.stringify(stored.given) === JSON.stringify(given) ? stored.trust : undefined;
  } catch {
    // Absent or damaged: the pins given at the start are trusted again.
    return undefined;
  }
}
