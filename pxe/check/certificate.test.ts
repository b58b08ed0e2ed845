import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import * as x509 from '@peculiar/x509';
import { expect, onTestFinished, test } from 'vitest';
import { checkUrl } from './certificate.ts';

x509.cryptoProvider.set(webcrypto as unknown as typeof globalThis.crypto);

const now = Date.UTC(2026, 10, 22);
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

interface Issued {
  key: string;
  cert: string;
  keys: webcrypto.CryptoKeyPair;
}

async function issue(algorithm: typeof RSA | typeof EC, name: string, issuer?: Issued): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer === undefined ? `CN=${name}` : new x509.X509Certificate(issuer.cert).subject,
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2027-01-01'),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: issuer === undefined ? algorithm : EC,
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey as never)).toString('base64');
  return {
    keys,
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----`,
  };
}

/** A server with this certificate; its URL. */
async function serve(options: tls.TlsOptions): Promise<URL> {
  const server = tls.createServer(options, (socket) => void socket.on('error', () => undefined));
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/boot`);
}

const rsa = await issue(RSA, 'rsa.example');
const ec = await issue(EC, 'ec.example');

test('an RSA certificate that is valid now is no fault, and plain HTTP has none', async () => {
  expect(await checkUrl(await serve(rsa), now)).toEqual([]);
  expect(await checkUrl(new URL('http://127.0.0.1:1/'), now)).toEqual([]);
});

test('45 an ECDSA certificate is told, with the way out', async () => {
  const url = await serve(ec);
  expect(await checkUrl(url, now)).toEqual([
    {
      check: 'certificate',
      level: 'error',
      what: `iPXE cannot read from ${url.origin}`,
      cause: 'its certificate has a key of type ECDSA, and iPXE verifies RSA only',
      way: 'give that server an RSA certificate (2048 bits or more) from an RSA authority, and TLS 1.2',
    },
  ]);
});

test('45 an RSA certificate beside an ECDSA one is what iPXE gets', async () => {
  expect(await checkUrl(await serve({ key: [ec.key, rsa.key], cert: [ec.cert, rsa.cert] }), now)).toEqual([]);
});

test('45 an RSA certificate that an ECDSA authority signed is told', async () => {
  const url = await serve(await issue(RSA, 'leaf.example', ec));
  const [finding] = await checkUrl(url, now);
  expect(finding).toMatchObject({
    what: `iPXE cannot read from ${url.origin}`,
    cause: expect.stringMatching(/^(its certificate|in its chain CN=leaf.example is signed by ecdsa-with-SHA256)/),
  });
});

test('a server without TLS 1.2, a certificate that is not valid now, and nobody at all are told', async () => {
  const modern = await serve({ ...rsa, minVersion: 'TLSv1.3' });
  expect(await checkUrl(modern, now)).toMatchObject([
    {
      what: `iPXE cannot read from ${modern.origin}`,
      cause: 'it offers no TLS 1.2, which is the newest that iPXE speaks',
    },
  ]);
  const url = await serve(rsa);
  expect(await checkUrl(url, 0)).toMatchObject([
    {
      what: `the certificate of ${url.origin} is not valid now (CN=rsa.example)`,
      cause: 'it is valid from 2026-01-01T00:00:00.000Z to 2027-01-01T00:00:00.000Z',
      way: 'set the clock, or issue it anew',
    },
  ]);
  expect(await checkUrl(new URL('https://127.0.0.1:1/'), now)).toMatchObject([
    { what: 'https://127.0.0.1:1 cannot be reached', cause: expect.stringContaining('ECONNREFUSED') },
  ]);
});
