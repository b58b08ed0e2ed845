import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from './durable.ts';

export interface Certificate {
  /** PEM, PKCS #8. */
  key: string;
  /** PEM chain. */
  cert: string;
}

interface Stored extends Certificate {
  /** Milliseconds since 1970. */
  at: number;
  valid_s: number;
  /** Pins of the CAs that were valid then, and the addresses it is for. */
  pins: string[];
  names: string[];
}

/** The certificate by which agents accept this relay, out of its folder; undefined: it has none yet. */
export function keptCertificate(directory: string): Stored | undefined {
  try {
    const stored = JSON.parse(readFileSync(join(directory, 'tls.json'), 'utf8')) as Stored;
    createPrivateKey(stored.key);
    return stored;
  } catch {
    // Absent or damaged: a new key is certified when the centre is there.
    return undefined;
  }
}

/** Whether a new one should be had: half of its time is over, either way the clock went, or the CAs or addresses are others. */
export function isDue(kept: Stored | undefined, pins: string[], names: string[], now: number): boolean {
  if (kept === undefined || Math.abs(now - kept.at) > kept.valid_s * 500) return true;
  return JSON.stringify([kept.pins, kept.names]) !== JSON.stringify([pins, names]);
}

/** Makes a new key, which never leaves this machine, has it certified, and keeps both (mode 0600). */
export async function obtainCertificate(
  directory: string,
  certify: (publicKey: Buffer, names: string[]) => Promise<{ certificate: string; valid_s: number }>,
  { pins, names, now }: { pins: string[]; names: string[]; now: number },
): Promise<Stored> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { certificate, valid_s } = await certify(
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    names,
  );
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const stored: Stored = { key, cert: certificate, at: now, valid_s, pins, names };
  await writeWhole(join(directory, 'tls.json'), JSON.stringify(stored));
  return stored;
}
