import { createHash, createPublicKey, X509Certificate } from 'node:crypto';

/** What is told of an endorsement key: SHA-256 of its certificate and of itself (as SubjectPublicKeyInfo, DER), in hexadecimal. */
export type Endorsement = {
  certificate_sha256?: string;
  key_sha256?: string;
};

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A certificate as an NV index holds it: DER, perhaps with padding behind it. Undefined when it is none. */
export function certificateIn(nv: Buffer): Endorsement | undefined {
  // A SEQUENCE with two bytes of length.
  if (nv.length < 4 || nv.readUInt16BE() !== 0x3082) return undefined;
  const der = nv.subarray(0, 4 + nv.readUInt16BE(2));
  if (der.length < 4 + nv.readUInt16BE(2)) return undefined;
  return { certificate_sha256: sha256(der), ...keyIn(der) };
}

// Node refuses some vendors' certificates (unusual encodings); the hash of the bytes is a fact all the same.
function keyIn(der: Buffer): Endorsement {
  try {
    const key = new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' });
    return { key_sha256: sha256(key) };
  } catch {
    return {};
  }
}

const curves: Record<number, { crv: string; bytes: number }> = {
  3: { crv: 'P-256', bytes: 32 },
  4: { crv: 'P-384', bytes: 48 },
  5: { crv: 'P-521', bytes: 66 },
};

/** Kind and hash of the key in a TPMT_PUBLIC (TPM 2.0 library, part 2, 12.2.4), of an endorsement key's shape. */
export function keyOf(area: Buffer): { kind: string; endorsement: Endorsement } | undefined {
  const type = area.readUInt16BE();
  const parameters = area.subarray(10 + area.readUInt16BE(8));
  // The symmetric algorithm has key bits and a mode unless it is TPM_ALG_NULL.
  const after = parameters.subarray(parameters.readUInt16BE() === 0x10 ? 2 : 6);
  if (type === 1) {
    const bits = after.readUInt16BE(2);
    const exponent = after.subarray(4, 8);
    const n = after.subarray(10, 10 + after.readUInt16BE(8));
    const e = exponent.readUInt32BE() === 0 ? Buffer.from([1, 0, 1]) : exponent;
    const key = { kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') };
    return { kind: `rsa-${bits}`, endorsement: { key_sha256: spkiOf(key) } };
  }
  if (type !== 0x23) return undefined;
  const curve = curves[after.readUInt16BE(2)];
  if (curve === undefined) return undefined;
  const x = after.subarray(8, 8 + after.readUInt16BE(6));
  const y = after.subarray(10 + x.length, 10 + x.length + after.readUInt16BE(8 + x.length));
  const text = (number: Buffer) =>
    Buffer.concat([Buffer.alloc(curve.bytes - number.length), number]).toString('base64url');
  const key = { kty: 'EC', crv: curve.crv, x: text(x), y: text(y) };
  return { kind: `ecc-${curve.crv.toLowerCase().replace('-', '')}`, endorsement: { key_sha256: spkiOf(key) } };
}

function spkiOf(key: { kty: string; [part: string]: string }): string {
  return sha256(createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' }));
}
