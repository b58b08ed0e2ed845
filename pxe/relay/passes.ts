import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RelayNode } from '../../shared/api/relay.ts';
import { isSignedBy } from '../../shared/node-signature.ts';

/** Milliseconds. */
const NONCE_LIFE = 300_000;
export const PASS_LIFE = 3_600_000;
const PREFIX = 'mdbp_';

/**
 * Nonces and short-lived passes of a relay, for the time without the centre. They open nothing but this relay's own doors: the key
 * that they are made with dies with its process.
 */
export class Passes {
  readonly #key = randomBytes(32);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  nonce(): string {
    return this.#seal('nonce', randomBytes(16).toString('base64url'), NONCE_LIFE);
  }

  isNonce(text: string): boolean {
    return this.#open('nonce', text) !== undefined;
  }

  /**
   * A pass for the node that signed the assertion (RFC 7523, as POST /v1/token takes it).
   *
   * @returns undefined when the key is unknown here; the centre may know it
   * @throws Error when the assertion is wrong
   */
  exchange(assertion: string, nodeOf: (id: string) => RelayNode | undefined): string | undefined {
    const parts = assertion.split('.');
    const header = JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
    const claims = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
    const { sub, iss, aud, nonce } = claims;
    if (typeof sub !== 'string' || iss !== sub || aud !== 'machinedb' || typeof nonce !== 'string')
      throw new Error('the assertion needs iss = sub = node id, aud = "machinedb" and nonce');
    if (!this.isNonce(nonce)) throw new Error('the nonce was not made here, or has expired');
    const key = nodeOf(sub)?.keys.find(({ fingerprint }) => fingerprint === header.kid);
    if (key === undefined) return undefined;
    const signature = Buffer.from(parts[2] ?? '', 'base64url');
    const spki = Buffer.from(key.public_key, 'base64');
    if (!isSignedBy(spki, key.kind, `${parts[0]}.${parts[1]}`, signature))
      throw new Error('the assertion is not by a key of this node');
    return `${PREFIX}${this.#seal('pass', Buffer.from(JSON.stringify([sub, header.kid])).toString('base64url'), PASS_LIFE)}`;
  }

  /** The node that a bearer header's pass is of, if it still has the key; undefined for anything else. */
  holder(header: string | undefined, nodeOf: (id: string) => RelayNode | undefined): RelayNode | undefined {
    const pass = /^Bearer mdbp_(\S+)$/i.exec(header ?? '')?.[1];
    const text = pass === undefined ? undefined : this.#open('pass', pass);
    if (text === undefined) return undefined;
    const [id, fingerprint] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [string, string];
    const node = nodeOf(id);
    return node?.keys.some((key) => key.fingerprint === fingerprint) === true ? node : undefined;
  }

  #seal(label: string, text: string, lifeMs: number): string {
    const sealed = `${text}.${Math.floor(this.#now()) + lifeMs}`;
    return `${sealed}.${this.#mac(label, sealed)}`;
  }

  #open(label: string, sealed: string): string | undefined {
    const end = sealed.lastIndexOf('.');
    const [text, mac] = [sealed.slice(0, Math.max(end, 0)), Buffer.from(sealed.slice(end + 1))];
    const right = Buffer.from(this.#mac(label, text));
    if (mac.length !== right.length || !timingSafeEqual(mac, right)) return undefined;
    const [content, until] = text.split('.');
    return this.#now() > Number(until) ? undefined : content;
  }

  #mac(label: string, text: string): string {
    return createHmac('sha256', this.#key).update(`${label}\n${text}`).digest('base64url');
  }
}
