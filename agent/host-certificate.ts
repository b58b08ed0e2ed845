import { existsSync, readFileSync } from 'node:fs';
import { canonical } from '../shared/canonical.ts';
import type { SshWanted } from '../shared/sections/ssh.ts';
import { readHostCertificate } from '../shared/ssh-certificate.ts';
import type { Wanted } from './apply/sections.ts';
import { HOST_CERTIFICATE } from './apply/ssh.ts';

const CERTIFICATE = '/etc/ssh/ssh_host_ed25519_key-cert.pub';
const HOST_KEY = '/etc/ssh/ssh_host_ed25519_key.pub';

export interface CertifyOptions {
  root: string;
  mode: string;
  /** Milliseconds since 1970. */
  now: number;
  /** Has the server certify the host key, given as one line: answers the certificate. */
  certify: (hostKey: string) => Promise<string>;
}

/**
 * The wanted state with the certificate that its SSH section asks for: the one that is there while it is by the CA, for these
 * names and less than half over, else a new one.
 */
export async function withHostCertificate(wanted: Wanted, options: CertifyOptions): Promise<Wanted> {
  const { root, mode, now, certify } = options;
  const asked = wanted.ssh?.host_certificate;
  if (asked === undefined || !existsSync(`${root}${HOST_KEY}`)) return wanted;
  const present = existsSync(`${root}${CERTIFICATE}`) ? readFileSync(`${root}${CERTIFICATE}`, 'utf8') : undefined;
  const withIt = (certificate: string): Wanted => ({
    ...wanted,
    material: { ...wanted.material, [HOST_CERTIFICATE]: certificate },
  });
  if (present !== undefined && (mode !== 'enforce' || isGood(present, asked, now))) return withIt(present);
  // Who only plans asks for none.
  if (mode !== 'enforce') return wanted;
  return withIt(await certify(readFileSync(`${root}${HOST_KEY}`, 'utf8').trim()));
}

function isGood(line: string, asked: NonNullable<SshWanted['host_certificate']>, now: number): boolean {
  const certificate = readHostCertificate(line);
  if (certificate === undefined || certificate.ca !== asked.ca) return false;
  const names = canonical([...certificate.principals].sort());
  const half = (certificate.validAfter + certificate.validBefore) / 2;
  return names === canonical(Object.keys(asked.principals).sort()) && now / 1000 < half;
}
