import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { enrolBody } from '../../shared/api/agent.ts';
import { canonical } from '../../shared/canonical.ts';
import { enrolText } from '../../shared/enrol-text.ts';
import { writeDurably } from '../durable-file.ts';

export type ClaimedHardware = z.input<typeof enrolBody>['hardware'];
export type EnrolBody = z.input<typeof enrolBody>;

/** Who this machine is to the server: its key, and the node that the server knows it as. */
export interface Identity {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** As the console shows it and an approval names it: `SHA256:` and base64 without padding. */
  readonly fingerprint: string;
  /** Node id; undefined until enrolled. */
  readonly node: string | undefined;
  /** Whether an identity was dropped because it was made on other hardware. */
  readonly dropped: boolean;
  /** The node that an identity dropped from this disk was of: a hint for people, when a machine was rebuilt around its disk. */
  readonly before: string | undefined;
}

interface Stored {
  /** PKCS #8, PEM. */
  key: string;
  hardware: ClaimedHardware;
  node?: string;
}

const fileIn = (directory: string) => join(directory, 'identity.json');

/**
 * The identity kept in `directory` (made, mode 0700, when absent), or a new one. The private key never leaves the file
 * (mode 0600). An identity that was made on other hardware came with a copied disk: it is dropped and a new one is made.
 *
 * @throws Error naming the file when it cannot be read as one of ours
 */
export function openIdentity(directory: string, hardware: ClaimedHardware): Identity {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = fileIn(directory);
  const stored = read(file);
  if (stored !== undefined && isSameHardware(stored.hardware, hardware)) {
    chmodSync(file, 0o600);
    return toIdentity(stored, false);
  }
  if (stored !== undefined) rmSync(file);
  const { privateKey } = generateKeyPairSync('ed25519');
  const disk = stored?.node ?? stored?.hardware.disk;
  const made: Stored = {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    hardware: disk === undefined ? hardware : { ...hardware, disk },
  };
  writeDurably(file, JSON.stringify(made), 0o600);
  return toIdentity(made, stored !== undefined);
}

/** The identity kept in `directory`, as it is: none is made, and none dropped. Undefined: there is none. */
export function keptIdentity(directory: string): Identity | undefined {
  const stored = read(fileIn(directory));
  return stored === undefined ? undefined : toIdentity(stored, false);
}

/** Keeps which node the server knows this key as. */
export function rememberNode(directory: string, node: string): void {
  const file = fileIn(directory);
  const stored = read(file);
  if (stored === undefined) throw new Error(`there is no identity at ${file}: start the agent again`);
  if (stored.node !== node) writeDurably(file, JSON.stringify({ ...stored, node }), 0o600);
}

/** What openIdentity() keeps of an identity, as text. */
export function identityText({ privateKey }: Identity, hardware: ClaimedHardware, node: string): string {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return JSON.stringify({ key, hardware, node } satisfies Stored);
}

/** A new identity that is kept nowhere yet. */
export function newIdentity(): Identity {
  const { privateKey } = generateKeyPairSync('ed25519');
  return toIdentity({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), hardware: {} }, false);
}

/**
 * A signed claim to be the machine that this hardware is.
 *
 * @param claim.previous the node it already is, and the identity that vouches for the new one
 */
export function makeClaim(
  identity: Identity,
  claim: {
    nonce: string;
    hardware: ClaimedHardware;
    bootId: string;
    joinToken?: string | undefined;
    /** It was booted for a rescue, and wants no more than that. */
    rescue?: true;
    previous?: { node: string; identity: Identity };
  },
): EnrolBody {
  const { previous } = claim;
  const body = {
    nonce: claim.nonce,
    kind: 'ed25519' as const,
    public_key: identity.publicKey.toString('base64'),
    hardware: claim.hardware,
    boot_id: claim.bootId,
    join_token: claim.joinToken,
    ...(claim.rescue === undefined ? {} : { rescue: claim.rescue }),
  };
  const text = enrolText(body, previous?.node);
  const vouched =
    previous === undefined ? {} : { previous: { node: previous.node, signature: signText(previous.identity, text) } };
  return { ...body, ...vouched, signature: signText(identity, text) };
}

/** The assertion that a token is given for (RFC 7523; the nonce is the server's clock): a JWT by the node's key. */
export function makeAssertion(identity: Identity, node: string, nonce: string): string {
  const encode = (value: unknown) => Buffer.from(canonical(value)).toString('base64url');
  const header = encode({ alg: 'EdDSA', typ: 'JWT', kid: identity.fingerprint });
  const text = `${header}.${encode({ iss: node, sub: node, aud: 'machinedb', nonce })}`;
  return `${text}.${sign(null, Buffer.from(text), identity.privateKey).toString('base64url')}`;
}

/** Signature of a text or of bytes by the node's key (ed25519), base64. */
export function signText(identity: Identity, text: string | Buffer): string {
  return sign(null, Buffer.from(text), identity.privateKey).toString('base64');
}

function read(file: string): Stored | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stored = JSON.parse(text) as Stored;
    createPrivateKey(stored.key);
    return stored;
  } catch {
    throw new Error(`${file} holds no identity: remove it, and this machine enrols anew and must be approved again`);
  }
}

function toIdentity(stored: Stored, dropped: boolean): Identity {
  const privateKey = createPrivateKey(stored.key);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const digest = createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '');
  const { node, hardware } = stored;
  return { privateKey, publicKey, fingerprint: `SHA256:${digest}`, node, dropped, before: hardware.disk };
}

/**
 * Whether the machine is the one of before: something that identifies it is unchanged. A board, a card or a serial may be
 * replaced; a copy of the disk in another machine shares nothing. Nothing to compare is no change.
 */
function isSameHardware(before: ClaimedHardware, now: ClaimedHardware): boolean {
  const [a, b] = [marks(before), marks(now)];
  return a.length === 0 || b.length === 0 || b.some((mark) => a.includes(mark));
}

function marks({ uuid, serial, board_serial, macs = [] }: ClaimedHardware): string[] {
  const named = Object.entries({ uuid, serial, board_serial }).filter(([, value]) => value !== undefined);
  return [...named.map(([name, value]) => `${name}:${value}`), ...macs.map((mac) => `mac:${mac}`)].map((mark) =>
    mark.toLowerCase(),
  );
}
