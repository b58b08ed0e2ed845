import { createHash } from 'node:crypto';

/** A public key in OpenSSH's one-line form. */
export interface SshKey {
  type: string;
  /** SHA256:..., as `ssh-keygen -l` prints it. */
  fingerprint: string;
  comment: string | undefined;
}

const types =
  /^((?:ssh|sk-ssh)-[a-z0-9-]+(?:@openssh\.com)?|(?:sk-)?ecdsa-sha2-[a-z0-9-]+(?:@openssh\.com)?)\s+([A-Za-z0-9+/]+={0,2})(?:\s+(.*))?$/;

/**
 * Reads `type base64 comment`, without the options that authorized_keys(5) allows before it. Undefined when it is no
 * public key: the type inside the base64 (RFC 4253, 6.6) must be the one before it.
 */
export function parseSshKey(line: string): SshKey | undefined {
  const [, type, base64, comment] = types.exec(line.trim()) ?? [];
  if (type === undefined || base64 === undefined) return undefined;
  const blob = Buffer.from(base64, 'base64');
  if (blob.length < 4 + type.length + 4 || blob.readUInt32BE(0) !== type.length) return undefined;
  if (blob.toString('latin1', 4, 4 + type.length) !== type) return undefined;
  const hash = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  return { type, fingerprint: `SHA256:${hash}`, comment: comment?.trim() || undefined };
}
