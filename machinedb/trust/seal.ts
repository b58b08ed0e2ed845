import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { writeFileDurably } from '../durable-file.ts';

/** The key-encryption key: 32 bytes that never enter the database. `id` names it there. */
export interface Kek {
  id: string;
  key: Buffer;
}

export interface Sealed {
  nonce: Buffer;
  sealed: Buffer;
}

/** Reads the key-encryption key from its file (64 hexadecimal digits); undefined when there is no file. */
export function readKek(file: string): Kek | undefined {
  if (!existsSync(file)) return undefined;
  if ((statSync(file).mode & 0o007) !== 0) {
    throw new Error(`the key-encryption key in ${file} can be read by everybody: close it with "chmod 600 ${file}"`);
  }
  const text = readFileSync(file, 'utf8').trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new Error(`the key-encryption key in ${file} is not 64 hexadecimal digits: put the right file there`);
  }
  return toKek(Buffer.from(text, 'hex'));
}

/** Makes a key-encryption key and keeps it in the file (mode 0600). */
export function createKek(file: string): Kek {
  const key = randomBytes(32);
  writeFileDurably(file, `${key.toString('hex')}\n`, 0o600);
  return toKek(key);
}

function toKek(key: Buffer): Kek {
  return { key, id: createHash('sha256').update('machinedb-kek\n').update(key).digest('hex').slice(0, 16) };
}

/** Seals with AES-256-GCM (NIST SP 800-38D); `context` is bound in, so that a sealed value fits only its own row. */
export function seal(kek: Kek, value: Buffer, context: string): Sealed {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', kek.key, nonce).setAAD(Buffer.from(context));
  return { nonce, sealed: Buffer.concat([cipher.update(value), cipher.final(), cipher.getAuthTag()]) };
}

/** Opens what seal() made. Throws when key, context or bytes differ. */
export function unseal(kek: Kek, { nonce, sealed }: Sealed, context: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', kek.key, nonce).setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}
