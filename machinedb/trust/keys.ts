import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
} from 'node:crypto';
import { sql } from 'kysely';
import type { Trust } from '../../shared/api/agent.ts';
import { type TrustSignature, trustText } from '../../shared/signed-trust.ts';
import type { Signer } from '../../shared/ssh-certificate.ts';
import { type Db, type Tx, transaction } from '../db.ts';
import { type Authority, createAuthority, openAuthority, SERVER_NAME } from './ca.ts';
import { createKek, type Kek, readKek } from './seal.ts';
import { lockSecret, openSecrets, putSecret, retireOld } from './secrets.ts';

const NAMES = {
  mac: 'machinedb/mac',
  wanted: 'machinedb/wanted',
  ca: 'machinedb/ca',
  sshHostCa: 'machinedb/ssh-host-ca',
} as const;
const REFRESH_MS = 1000;
/** A new key signs only when it is this old: by then every daemon has read it. */
const SETTLE_S = 3;

/** The service's own keys. They live sealed in the database, so that every daemon has the same. */
export interface Keys {
  readonly kek: Kek;
  /** HMAC-SHA-256 of `text` by the newest key, base64url; `label` keeps uses apart. */
  mac(label: string, text: string): string;
  /** Whether a mac is by any key that is still valid. */
  isMac(label: string, text: string, mac: string): boolean;
  /** Signs a node's wanted state (ed25519, base64), and names the key. */
  signWanted(text: string): { signature: string; key: string };
  /** What agents trust: pins of the valid CAs, and the keys that sign wanted states. */
  trust(): Trust;
  /** The same, signed by each valid CA. */
  trustSignatures(): TrustSignature[];
  /** Signs SSH host keys of nodes (ed25519). */
  sshHostCa(): Signer;
  /** Valid generations of the certificate authority, newest first. */
  authorities(): Authority[];
  /** Calls back after the authorities changed, on whichever daemon that was done. */
  onRotation(listener: () => void): void;
  /**
   * Makes a new generation of the CA, cross-signed by the one before, and of the key of nonces and tokens. Two
   * generations are valid; an older one is retired. The key that signs wanted states stays.
   */
  rotate(tx: Tx): Promise<void>;
  /** Reads the keys again now. */
  refresh(): Promise<void>;
  close(): void;
}

interface WantedKey {
  id: string;
  key: KeyObject;
  publicKey: string;
}

/**
 * Opens the service's keys, making them in an empty database. Throws when the key-encryption key does not fit the
 * database.
 *
 * @param kekFile file of the key-encryption key; made when absent and the database holds no secrets yet
 * @param now milliseconds since 1970
 */
export async function openKeys(db: Db, kekFile: string, now: () => number): Promise<Keys> {
  const kek = await transaction(db, async (tx) => {
    // Two daemons that start together on an empty database: the second waits, and then finds the first one's secrets.
    await sql`select pg_advisory_xact_lock(7100, 3)`.execute(tx);
    const fitting = await fittingKek(tx, kekFile);
    await createMissing(tx, fitting, now());
    return fitting;
  });
  let macs: Buffer[] = [];
  let macNow: Buffer | undefined;
  let wanted: WantedKey[] = [];
  let sshHostCa: Signer | undefined;
  let authorities: Authority[] = [];
  let trustSignatures: TrustSignature[] = [];
  let version = '';
  const listeners: (() => void)[] = [];

  const trust = (): Trust => ({
    name: SERVER_NAME,
    pins: authorities.map(({ pin }) => pin),
    wanted_keys: wanted.map(({ id, publicKey }) => ({ id, public_key: publicKey })),
  });
  const read = async () => {
    const { rows } = await sql<{ version: string; unsettled: number }>`
      select string_agg(name || generation || coalesce(retired_at::text, ''), ',' order by name, generation) as version,
        count(*) filter (where name = ${NAMES.mac} and created_at > now() - make_interval(secs => ${SETTLE_S})) as unsettled
      from secret where name like 'machinedb/%'`.execute(db);
    const { version: found, unsettled } = rows[0]!;
    const seen = `${found} ${unsettled}`;
    if (seen === version) return;
    macs = (await openSecrets(db, kek, NAMES.mac)).map(({ value }) => value);
    macNow = macs[Math.min(unsettled, macs.length - 1)];
    const [hostCa] = await openSecrets(db, kek, NAMES.sshHostCa);
    sshHostCa = toSigner(hostCa!.value);
    wanted = (await openSecrets(db, kek, NAMES.wanted)).map(({ value }) => toWantedKey(value));
    const before = authorities.map(({ pin }) => pin).join();
    authorities = (await openSecrets(db, kek, NAMES.ca)).map(openAuthority);
    trustSignatures = authorities.map(({ key }) => signTrust(key, trust()));
    version = seen;
    if (before !== '' && before !== authorities.map(({ pin }) => pin).join())
      for (const listener of listeners) listener();
  };
  // One look at a time: a look that began before a rotation must not end after the one that saw it.
  let looking: Promise<void> = Promise.resolve();
  const refresh = async () => {
    looking = looking.catch(() => undefined).then(read);
    await looking;
  };
  await refresh();
  let busy = false;
  // A daemon learns of another's rotation within a second; a failed look is repeated by the next.
  const timer = setInterval(async () => {
    if (busy) return;
    busy = true;
    await refresh().catch(() => undefined);
    busy = false;
  }, REFRESH_MS).unref();

  return {
    kek,
    mac: (label, text) => hmac(macNow!, label, text).toString('base64url'),
    isMac(label, text, mac) {
      const given = Buffer.from(mac, 'base64url');
      return macs.some((key) => given.length === 32 && timingSafeEqual(hmac(key, label, text), given));
    },
    signWanted: (text) => ({
      signature: sign(null, Buffer.from(text), wanted[0]!.key).toString('base64'),
      key: wanted[0]!.id,
    }),
    trust,
    trustSignatures: () => trustSignatures,
    sshHostCa: () => sshHostCa!,
    authorities: () => authorities,
    onRotation: (listener) => listeners.push(listener),
    async rotate(tx) {
      await lockSecret(tx, NAMES.ca);
      const [current] = await openSecrets(tx, kek, NAMES.ca);
      const next = await createAuthority(now(), openAuthority(current!));
      await putSecret(tx, kek, NAMES.ca, next.value, next.public);
      await putSecret(tx, kek, NAMES.mac, randomBytes(32));
      await retireOld(tx, NAMES.ca);
      await retireOld(tx, NAMES.mac);
    },
    refresh,
    close: () => clearInterval(timer),
  };
}

/** @param pkcs8 the CA's key, DER */
function signTrust(pkcs8: Buffer, trust: Trust): TrustSignature {
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const signature = sign('sha256', Buffer.from(trustText(trust)), key);
  return { public_key: spki.toString('base64'), signature: signature.toString('base64') };
}

async function fittingKek(tx: Tx, file: string): Promise<Kek> {
  const { rows } = await sql<{ id: string }>`select distinct sealed_by as id from secret`.execute(tx);
  const kek = readKek(file);
  if (rows.length === 0) return kek ?? createKek(file);
  const ids = rows.map(({ id }) => id);
  if (kek === undefined) {
    throw new Error(
      `there is no key-encryption key at ${file}, but the database's secrets are sealed with key ${ids.join(', ')}: copy the file "kek" from the state directory of the daemon that made the database (mode 0600), or name it with MACHINEDB_KEK_FILE`,
    );
  }
  if (!ids.every((id) => id === kek.id)) {
    throw new Error(
      `the key-encryption key in ${file} is ${kek.id}, but the database's secrets are sealed with key ${ids.join(', ')}: put the file "kek" of the daemon that made the database there, or name it with MACHINEDB_KEK_FILE`,
    );
  }
  return kek;
}

async function createMissing(tx: Tx, kek: Kek, now: number): Promise<void> {
  const { rows } = await sql<{ name: string }>`select distinct name from secret where name like 'machinedb/%'`.execute(
    tx,
  );
  const present = new Set(rows.map(({ name }) => name));
  if (!present.has(NAMES.mac)) await putSecret(tx, kek, NAMES.mac, randomBytes(32));
  if (!present.has(NAMES.wanted)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    await putSecret(tx, kek, NAMES.wanted, privateKey.export({ type: 'pkcs8', format: 'der' }));
  }
  if (!present.has(NAMES.sshHostCa)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    await putSecret(tx, kek, NAMES.sshHostCa, privateKey.export({ type: 'pkcs8', format: 'der' }));
  }
  if (!present.has(NAMES.ca)) {
    const authority = await createAuthority(now);
    await putSecret(tx, kek, NAMES.ca, authority.value, authority.public);
  }
}

function toWantedKey(value: Buffer): WantedKey {
  const key = createPrivateKey({ key: value, type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return { key, publicKey: spki.toString('base64'), id: createHash('sha256').update(spki).digest('hex').slice(0, 16) };
}

function toSigner(value: Buffer): Signer {
  const key = createPrivateKey({ key: value, type: 'pkcs8', format: 'der' });
  // The last 32 bytes of an ed25519 SubjectPublicKeyInfo are the key (RFC 8410, section 4).
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  return { publicKey, sign: (data) => sign(null, data, key) };
}

function hmac(key: Buffer, label: string, text: string): Buffer {
  return createHmac('sha256', key).update(`${label}\n${text}`).digest();
}
