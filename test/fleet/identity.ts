import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import type { Identity } from '../../agent/client/identity.ts';
import { fingerprintOf } from '../../machinedb/trust/node-key.ts';

/** PrivateKeyInfo of an ed25519 key, up to the key itself (RFC 8410, section 7). */
const PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The key of a machine of the lab: the same whenever the lab is started with its secret, and so the machine is the same node. */
export function identityOf(secret: string, index: number): Identity {
  const seed = createHash('sha256').update(`machinedb lab\n${secret}\n${index}`).digest();
  const privateKey = createPrivateKey({ key: Buffer.concat([PREFIX, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    privateKey,
    publicKey,
    fingerprint: fingerprintOf(publicKey),
    node: undefined,
    dropped: false,
    before: undefined,
  };
}
