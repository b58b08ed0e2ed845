import { createHash } from 'node:crypto';
import type { RelayNode, RelaySaid } from '../../shared/api/relay.ts';

/**
 * What nodes have become by installs that went on while the centre was away: the keys that they claimed since, and which install is
 * done. It is all in the queue, so that it outlives the relay's process; the centre says the same when it has that.
 */
export class Installs {
  readonly #keys = new Map<string, RelayNode['keys']>();
  readonly #done = new Map<string, number>();

  /** Notes what was queued: judged before. */
  note({ node, path, body }: RelaySaid): void {
    if (path === '/v1/enrol') {
      const { kind, public_key } = JSON.parse(body) as Omit<RelayNode['keys'][number], 'fingerprint'>;
      this.#keys.set(node, [{ fingerprint: fingerprintOf(public_key), kind, public_key }]);
    } else if (path === '/v1/self/install') {
      const { phase, generation } = JSON.parse(body) as { phase: string; generation: number };
      if (phase === 'installed') this.#done.set(node, generation);
    }
  }

  /** The centre has heard all of it and has told what is now. */
  forget(): void {
    this.#keys.clear();
    this.#done.clear();
  }

  /** A node as the centre told it last, and as it is since. */
  over(known: RelayNode): RelayNode {
    const { install, ...node } = known;
    // One that was revoked has no keys, and gets none here.
    const keys = known.keys.length === 0 ? [] : (this.#keys.get(known.node) ?? known.keys);
    const isDone = install !== undefined && this.#done.get(known.node) === install.generation;
    if (isDone) return { ...node, keys, boot: install.after };
    return { ...known, keys };
  }
}

/** As the centre names a key: of its SubjectPublicKeyInfo, base64. */
export function fingerprintOf(publicKey: string): string {
  const digest = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}
