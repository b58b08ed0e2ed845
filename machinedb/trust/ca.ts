import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { OpenSecret } from './secrets.ts';

/** The name in every server certificate: agents and the command line check it, whatever address they dial. */
export const SERVER_NAME = 'machinedb';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_LIFE_MS = 3650 * DAY_MS;
/** A running daemon renews its certificate when half of this is over. */
export const LEAF_LIFE_MS = 90 * DAY_MS;
// Backdated: a machine whose clock has lost its battery accepts it.
const NOT_BEFORE = new Date('1970-01-01T00:00:00Z');

x509.cryptoProvider.set(webcrypto as unknown as typeof globalThis.crypto);

/** One generation of the certificate authority. */
export interface Authority {
  generation: number;
  createdAt: Date;
  /** SHA-256 of the subject public key info, hexadecimal: what agents pin. */
  pin: string;
  /** Self-signed certificate, PEM. */
  certificate: string;
  /** The same key certified by the generation before, PEM: lets an agent that pins only that one go on. */
  cross: string | undefined;
  /** PKCS #8, DER. */
  key: Buffer;
}

/** Makes a certificate authority; `previous` also certifies its key. Answers what is to be stored as a secret. */
export async function createAuthority(
  now: number,
  previous?: Authority,
): Promise<{ value: Buffer; public: { certificate: string; cross?: string; pin: string } }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const name = `CN=MachineDB CA ${randomBytes(4).toString('hex')}`;
  const self = await certifyAuthority(name, now, keys.publicKey, { name, key: keys.privateKey });
  const cross =
    previous === undefined ? undefined : await certifyAuthority(name, now, keys.publicKey, await issuerOf(previous));
  return {
    value: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
    public: {
      certificate: self.toString('pem'),
      pin: pinOf(self),
      ...(cross === undefined ? {} : { cross: cross.toString('pem') }),
    },
  };
}

/** An authority out of its stored secret. */
export function openAuthority(secret: OpenSecret): Authority {
  const { certificate, cross, pin } = secret.public as { certificate: string; cross?: string; pin: string };
  return { generation: secret.generation, createdAt: secret.created_at, pin, certificate, cross, key: secret.value };
}

export interface ServerCertificate {
  /** PEM, PKCS #8. */
  key: string;
  /** PEM chain: leaf, its CA, and after a rotation the CA before it. */
  cert: string;
}

/**
 * Issues a server certificate (RFC 5280) for the fixed name, localhost, and the names and addresses given.
 *
 * @param authorities valid generations, newest first
 * @param now milliseconds since 1970
 */
export async function issueServer(authorities: Authority[], names: string[], now: number): Promise<ServerCertificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return {
    key: x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    cert: await certifyServer(authorities, keys.publicKey, names, now + LEAF_LIFE_MS),
  };
}

/**
 * As issueServer(), for the key of somebody else who serves in our name.
 *
 * @param spki ECDSA P-256, SubjectPublicKeyInfo, DER
 * @param until milliseconds since 1970
 * @returns PEM chain
 */
export async function certifyKey(
  authorities: Authority[],
  spki: Buffer,
  names: string[],
  until: number,
): Promise<string> {
  const key = await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']);
  return await certifyServer(authorities, key, names, until);
}

async function certifyServer(
  authorities: Authority[],
  publicKey: webcrypto.CryptoKey,
  names: string[],
  until: number,
): Promise<string> {
  const [current, previous] = authorities as [Authority, Authority | undefined];
  const issuer = await issuerOf(current);
  const alternatives = [...new Set([SERVER_NAME, 'localhost', '127.0.0.1', '::1', ...names])];
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject: `CN=${SERVER_NAME}`,
    issuer: issuer.name,
    notBefore: NOT_BEFORE,
    notAfter: new Date(until),
    signingKey: issuer.key,
    publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        alternatives.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ],
  });
  const chain = [leaf.toString('pem')];
  if (current.cross !== undefined && previous !== undefined) chain.push(current.cross, previous.certificate);
  else chain.push(current.certificate);
  return chain.join('\n');
}

interface Issuer {
  name: string;
  key: webcrypto.CryptoKey;
}

async function issuerOf(authority: Authority): Promise<Issuer> {
  return {
    name: new x509.X509Certificate(authority.certificate).subject,
    key: await webcrypto.subtle.importKey('pkcs8', authority.key, ALGORITHM, false, ['sign']),
  };
}

async function certifyAuthority(
  subject: string,
  now: number,
  publicKey: webcrypto.CryptoKey,
  issuer: Issuer,
): Promise<x509.X509Certificate> {
  return await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject,
    issuer: issuer.name,
    notBefore: NOT_BEFORE,
    notAfter: new Date(now + CA_LIFE_MS),
    signingKey: issuer.key,
    publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
}

function pinOf(certificate: x509.X509Certificate): string {
  return createHash('sha256').update(Buffer.from(certificate.publicKey.rawData)).digest('hex');
}
