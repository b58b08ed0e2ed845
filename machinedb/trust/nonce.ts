import { randomBytes } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { Keys } from './keys.ts';

/**
 * A nonce without memory: random bytes, the time, and a MAC over both. Any daemon of the fleet can check it. It makes
 * the server's clock decide freshness, since a node's clock may say 1970.
 *
 * @param now milliseconds since 1970
 */
export function makeNonce(keys: Keys, now: number): string {
  const text = `${randomBytes(16).toString('base64url')}.${Math.floor(now)}`;
  return `${text}.${keys.mac('nonce', text)}`;
}

/** Throws unless the nonce is one of ours and younger than `lifeMs`. */
export function checkNonce(keys: Keys, nonce: string, now: number, lifeMs: number): void {
  const end = nonce.lastIndexOf('.');
  const text = nonce.slice(0, Math.max(end, 0));
  if (!keys.isMac('nonce', text, nonce.slice(end + 1))) {
    throw new Problem('unauthenticated', 'the nonce was not made here: get one from POST /v1/nonce');
  }
  const age = now - Number(text.split('.')[1]);
  // Daemons' clocks may differ a little; a nonce from the far future is as wrong as an old one.
  if (age > lifeMs || age < -lifeMs)
    throw new Problem('unauthenticated', 'the nonce has expired: get a new one from POST /v1/nonce');
}
