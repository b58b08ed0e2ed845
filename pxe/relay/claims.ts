import type { z } from 'zod';
import { enrolBody, type enrolReply } from '../../shared/api/agent.ts';
import type { RelayNode, RelaySaid } from '../../shared/api/relay.ts';
import { enrolText } from '../../shared/enrol-text.ts';
import { isSignedBy, type KeyKind } from '../../shared/node-signature.ts';
import { fingerprintOf } from './installs.ts';
import type { Known } from './known.ts';

/** A claim that this relay may take: what is queued of it (nothing, when the key is the node's already), and its answer. */
export interface Taken {
  said: RelaySaid | undefined;
  answer: z.output<typeof enrolReply>;
}

/**
 * Judges the claim of a machine while the centre is away. Only that of a machine that is to be installed is taken: the discovery
 * image has a new key at every boot, and the installer registers the disk's key, which the key before vouches for. The centre
 * judges it again.
 *
 * @param isNonce whether a nonce was made here, lately
 * @returns undefined for one that only the centre can judge
 * @throws Error for one that is wrong
 */
export function judgeClaim(body: Buffer, known: Known, isNonce: (text: string) => boolean): Taken | undefined {
  const text = body.toString('utf8');
  const parsed = enrolBody.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error('the claim is not as it should be');
  const { data: claim } = parsed;
  const { previous, public_key, kind, hardware, signature } = claim;
  // One of the centre's, which has just gone: the machine gets another one when it asks again.
  if (!isNonce(claim.nonce)) return undefined;
  const signed = enrolText(claim, previous?.node);
  const isBy = (key: { kind: KeyKind; public_key: string }, by: string) =>
    isSignedBy(Buffer.from(key.public_key, 'base64'), key.kind, signed, Buffer.from(by, 'base64'));
  if (!isBy({ kind, public_key }, signature)) throw new Error('the signature is not by public_key over this claim');
  const nodes = previous === undefined ? known.withMacs(hardware.macs ?? []) : [known.node(previous.node)];
  const [node] = nodes;
  if (node === undefined || nodes.length > 1 || claim.rescue === true || !mayBeInstalled(node)) return undefined;
  if (previous !== undefined && !node.keys.some((key) => isBy(key, previous.signature)))
    throw new Error('the signature by the previous key does not prove the node it names');
  const fingerprint = fingerprintOf(public_key);
  const answer = { node: node.node, fingerprint, state: node.boot.state ?? 'installing', status: 'approved' } as const;
  const has = node.keys.some((key) => key.fingerprint === fingerprint);
  return {
    said: has ? undefined : { node: node.node, method: 'POST', path: '/v1/enrol', body: text, signature },
    answer,
  };
}

/** Revoked nodes have no keys. */
const mayBeInstalled = ({ install, level, keys }: RelayNode) =>
  install !== undefined && keys.length > 0 && (level === 'approved' || level === 'attested');
