import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  ed25519Blob,
  fingerprintOfBlob,
  readEd25519,
  readHostCertificate,
  writeHostCertificate,
} from './ssh-certificate.ts';

test('ssh-keygen reads a host certificate of ours, and we read one of its', () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-cert-'));
  try {
    const keygen = (...args: string[]) => execFileSync('ssh-keygen', args, { cwd: directory, encoding: 'utf8' });
    keygen('-q', '-t', 'ed25519', '-N', '', '-f', 'host');
    keygen('-q', '-t', 'ed25519', '-N', '', '-f', 'ca');
    const publicKey = readEd25519(readFileSync(join(directory, 'host.pub'), 'utf8'))!;
    const ca = generateKeyPairSync('ed25519');
    const caKey = ca.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    const line = writeHostCertificate(
      {
        publicKey,
        serial: 7n,
        keyId: 'node/x',
        principals: ['web1.example.org', '10.0.0.5'],
        validAfter: 1_700_000_000,
        validBefore: 1_800_000_000,
      },
      randomBytes(32),
      { publicKey: caKey, sign: (data) => sign(null, data, ca.privateKey) },
    );
    writeFileSync(join(directory, 'ours-cert.pub'), `${line}\n`);
    const shown = keygen('-L', '-f', 'ours-cert.pub');
    expect(shown).toContain('Type: ssh-ed25519-cert-v01@openssh.com host certificate');
    expect(shown).toContain(`Signing CA: ED25519 ${fingerprintOfBlob(ed25519Blob(caKey))}`);
    expect(shown).toContain('Key ID: "node/x"');
    expect(shown).toMatch(/Principals: \n\s+web1\.example\.org\n\s+10\.0\.0\.5\n/);

    keygen('-q', '-s', 'ca', '-I', 'id', '-h', '-n', 'a,b', '-V', '20200101000000Z:20300101000000Z', 'host.pub');
    const read = readHostCertificate(readFileSync(join(directory, 'host-cert.pub'), 'utf8'));
    expect(read).toMatchObject({
      publicKey,
      keyId: 'id',
      principals: ['a', 'b'],
      validAfter: Date.UTC(2020, 0) / 1000,
      validBefore: Date.UTC(2030, 0) / 1000,
      ca: keygen('-l', '-f', 'ca.pub').split(' ')[1],
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what is no ed25519 host certificate is none', () => {
  expect(readHostCertificate('')).toBeUndefined();
  expect(readHostCertificate('ssh-ed25519-cert-v01@openssh.com AAAA')).toBeUndefined();
  expect(readEd25519('ssh-rsa AAAAB3NzaC1yc2E=')).toBeUndefined();
});
