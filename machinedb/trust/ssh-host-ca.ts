import { randomBytes } from 'node:crypto';
import { namesOf } from '../../shared/resolve.ts';
import type { SshWanted } from '../../shared/sections/ssh.ts';
import { ed25519Blob, fingerprintOfBlob, readEd25519, writeHostCertificate } from '../../shared/ssh-certificate.ts';
import { Problem } from '../http/problem.ts';
import type { Keys } from './keys.ts';

const DAY_S = 86_400;
/** A certificate lives long: a node asks for a new one when half of it is over. */
const LIFE_S = 180 * DAY_S;

/** The CA of host keys as people need it: a known_hosts line that trusts every node it certified (sshd(8), known_hosts). */
export function describeSshCa(keys: Keys): { public_key: string; fingerprint: string; known_hosts: string } {
  const blob = ed25519Blob(keys.sshHostCa().publicKey);
  const line = `ssh-ed25519 ${blob.toString('base64')} machinedb-host-ca`;
  return { public_key: line, fingerprint: fingerprintOfBlob(blob), known_hosts: `@cert-authority * ${line}` };
}

/**
 * Certifies a node's SSH host key for what is wanted of it, and nothing else. Throws when the key is not ed25519 or no
 * certificate is wanted.
 *
 * @param nowMs milliseconds since 1970
 */
export function certifyHostKey(
  keys: Keys,
  node: string,
  wanted: Record<string, unknown>,
  line: string,
  nowMs: number,
): string {
  const publicKey = readHostKey(line);
  const principals = Object.keys((wanted.ssh as SshWanted | undefined)?.host_certificate?.principals ?? {}).sort();
  if (principals.length === 0)
    throw new Problem('conflict', 'no host certificate is wanted of this node: intend ssh.host_certificate and a name');
  return certify(keys, { publicKey, keyId: `node/${node}`, principals, lifeS: LIFE_S }, nowMs);
}

/**
 * Certifies the SSH host key of a node's rescue, for as long as that: for the names and fixed addresses that are wanted of the
 * node, and for its id (`ssh -o HostKeyAlias=ID`). Not for the address that it happens to have: another's could be taken.
 *
 * @param nowMs milliseconds since 1970
 * @param lifeS seconds that the rescue lasts
 */
export function certifyRescueKey(
  keys: Keys,
  node: string,
  { hostname, network }: { hostname?: unknown; network?: unknown },
  line: string,
  nowMs: number,
  lifeS: number,
): { certificate: string; blob: Buffer } {
  const publicKey = readHostKey(line);
  const principals = [node, ...namesOf(hostname as never, network as never)];
  const certificate = certify(keys, { publicKey, keyId: `rescue/${node}`, principals, lifeS }, nowMs);
  return { certificate, blob: ed25519Blob(publicKey) };
}

function readHostKey(line: string): Buffer {
  const publicKey = readEd25519(line);
  if (publicKey !== undefined) return publicKey;
  throw new Problem('invalid', 'public_key is not an ed25519 key: send the line of /etc/ssh/ssh_host_ed25519_key.pub');
}

function certify(
  keys: Keys,
  { lifeS, ...named }: { publicKey: Buffer; keyId: string; principals: string[]; lifeS: number },
  nowMs: number,
): string {
  const seconds = Math.floor(nowMs / 1000);
  const certificate = {
    ...named,
    serial: randomBytes(8).readBigUInt64BE(),
    // A node or client whose clock is behind accepts it, too.
    validAfter: seconds - 30 * DAY_S,
    validBefore: seconds + Math.ceil(lifeS),
  };
  return writeHostCertificate(certificate, randomBytes(32), keys.sshHostCa());
}
