import { createHash } from 'node:crypto';

const TYPE = 'ssh-ed25519-cert-v01@openssh.com';
const HOST = 2;

/** What a host certificate says (OpenSSH, PROTOCOL.certkeys). Times are seconds since 1970. */
export interface HostCertificate {
  /** ed25519 public key that is certified, 32 bytes. */
  publicKey: Buffer;
  serial: bigint;
  keyId: string;
  principals: string[];
  validAfter: number;
  validBefore: number;
}

/** Signs bytes by an ed25519 key: 64 bytes. */
export interface Signer {
  /** 32 bytes. */
  publicKey: Buffer;
  sign(data: Buffer): Buffer;
}

/** The blob of an ed25519 public key (RFC 8709, section 4). */
export function ed25519Blob(publicKey: Buffer): Buffer {
  return Buffer.concat([string('ssh-ed25519'), string(publicKey)]);
}

/** The 32 bytes of a one-line ssh-ed25519 key; undefined when it is another kind or no key. */
export function readEd25519(line: string): Buffer | undefined {
  const [type, base64] = line.trim().split(/\s+/);
  const blob = Buffer.from(base64 ?? '', 'base64');
  if (type !== 'ssh-ed25519' || blob.length !== 51) return undefined;
  return blob.subarray(0, 19).equals(ed25519Blob(Buffer.alloc(32)).subarray(0, 19)) ? blob.subarray(19) : undefined;
}

/** `SHA256:...` of a key's blob, as ssh-keygen -l prints it. */
export function fingerprintOfBlob(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/**
 * A host certificate as one line for ssh_host_ed25519_key-cert.pub.
 *
 * @param nonce random bytes, 16 or more
 */
export function writeHostCertificate(certificate: HostCertificate, nonce: Buffer, ca: Signer): string {
  const body = Buffer.concat([
    string(TYPE),
    string(nonce),
    string(certificate.publicKey),
    uint64(certificate.serial),
    uint32(HOST),
    string(certificate.keyId),
    string(Buffer.concat(certificate.principals.map(string))),
    uint64(BigInt(certificate.validAfter)),
    uint64(BigInt(certificate.validBefore)),
    string(''),
    string(''),
    string(''),
    string(ed25519Blob(ca.publicKey)),
  ]);
  const signature = Buffer.concat([string('ssh-ed25519'), string(ca.sign(body))]);
  return `${TYPE} ${Buffer.concat([body, string(signature)]).toString('base64')}`;
}

/** Reads an ed25519 host certificate's line; undefined when it is none. The signature is not checked. */
export function readHostCertificate(line: string): (HostCertificate & { ca: string }) | undefined {
  const [type, base64] = line.trim().split(/\s+/);
  if (type !== TYPE) return undefined;
  try {
    const reader = new Reader(Buffer.from(base64 ?? '', 'base64'));
    if (reader.string().toString() !== TYPE) return undefined;
    reader.string();
    const publicKey = reader.string();
    const serial = reader.uint64();
    if (reader.uint32() !== HOST) return undefined;
    const keyId = reader.string().toString();
    const names = new Reader(reader.string());
    const principals: string[] = [];
    while (!names.done) principals.push(names.string().toString());
    const [validAfter, validBefore] = [Number(reader.uint64()), Number(reader.uint64())];
    for (let skipped = 0; skipped < 3; skipped++) reader.string();
    const ca = fingerprintOfBlob(reader.string());
    return { publicKey, serial, keyId, principals, validAfter, validBefore, ca };
  } catch {
    return undefined;
  }
}

/** Reads the wire format of RFC 4251, section 5; throws RangeError past the end. */
class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get done(): boolean {
    return this.#at >= this.#data.length;
  }

  uint32(): number {
    this.#at += 4;
    return this.#data.readUInt32BE(this.#at - 4);
  }

  uint64(): bigint {
    this.#at += 8;
    return this.#data.readBigUInt64BE(this.#at - 8);
  }

  string(): Buffer {
    const length = this.uint32();
    if (this.#at + length > this.#data.length) throw new RangeError('the string ends past the data');
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

function uint64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(value);
  return buffer;
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([uint32(bytes.length), bytes]);
}
