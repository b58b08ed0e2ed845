import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { enrolText } from '../../../shared/enrol-text.ts';
import { readConfig } from '../../config.ts';
import type { Context } from '../../context.ts';
import type { Answer, Claim } from '../../enrol/claim.ts';
import { enrol } from '../../enrol/enrol.ts';
import { createEnrolments } from '../../enrol/enrolments.ts';
import type { Hardware } from '../../schema.ts';
import { withDatabase } from '../../testing/database.ts';
import { exchangeAssertion } from '../assertion.ts';
import { openKeys } from '../keys.ts';
import { fingerprintOf } from '../node-key.ts';
import { makeNonce } from '../nonce.ts';

/** A machine for tests of trust: a key and hardware, and a claim made by hand, so that each part can be wrong. */
export interface Machine {
  key: KeyObject;
  publicKey: Buffer;
  kind: 'ed25519' | 'p256';
  fingerprint: string;
  hardware: Hardware;
}

/** A machine with its own UUID, serial and MAC. `hardware` and `kind` say what is different. */
export function machine(hardware: Hardware = unique(), kind: 'ed25519' | 'p256' = 'ed25519'): Machine {
  const { privateKey, publicKey } =
    kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { key: privateKey, publicKey: spki, kind, fingerprint: fingerprintOf(spki), hardware };
}

/** Hardware like no other's. */
export function unique(): Hardware {
  const mac = [0x00, 0x16, 0x3e, ...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { uuid: crypto.randomUUID(), serial: randomBytes(5).toString('hex'), vendor: 'Acme', macs: [mac] };
}

export function signBy({ key, kind }: Machine, text: string): Buffer {
  return kind === 'ed25519'
    ? sign(null, Buffer.from(text), key)
    : sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
}

export interface ClaimOptions {
  nonce: string;
  joinToken?: string;
  /** It was booted for a rescue. */
  rescue?: true;
  /** The node it was, and the machine whose key vouches. */
  previous?: { node: string; by: Machine };
}

/** A signed claim. */
export function claimOf(claimant: Machine, { nonce, joinToken, rescue, previous }: ClaimOptions): Claim {
  const body = {
    nonce,
    kind: claimant.kind,
    public_key: claimant.publicKey.toString('base64'),
    hardware: { ...claimant.hardware },
    boot_id: createHash('sha256').update(claimant.fingerprint).digest('hex').slice(0, 32),
    ...(joinToken === undefined ? {} : { join_token: joinToken }),
    ...(rescue === undefined ? {} : { rescue }),
  };
  const text = enrolText(body, previous?.node);
  return {
    ...body,
    signature: signBy(claimant, text).toString('base64'),
    ...(previous === undefined
      ? {}
      : { previous: { node: previous.node, signature: signBy(previous.by, text).toString('base64') } }),
  };
}

/** A service's trust, with a database of its own and a clock that tests move. */
export async function withTrust(settings: Record<string, string> = {}) {
  const { db } = await withDatabase();
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-trust-'));
  const clock = { now: Date.UTC(2026, 0, 1) };
  const keys = await openKeys(db, join(directory, 'kek'), () => clock.now);
  afterAll(() => {
    keys.close();
    rmSync(directory, { recursive: true });
  });
  // Enrolment needs no more of a daemon than this.
  const config = readConfig(settings);
  const enrolments = createEnrolments(db, keys, config.pendingPerSource);
  const context = { db, keys, config, enrolments, now: () => clock.now } as unknown as Context;
  const nonce = () => makeNonce(keys, clock.now);
  return {
    context,
    db,
    keys,
    clock,
    directory,
    nonce,
    /** Enrols a machine; a fresh nonce unless one is given. */
    enrol: async (claimant: Machine, more: Partial<ClaimOptions> = {}, from = '192.0.2.1'): Promise<Answer> =>
      await enrol(context, claimOf(claimant, { nonce: nonce(), ...more }), from),
    /** A bearer header for a machine's node. */
    login: async (claimant: Machine, node: string): Promise<string> => {
      const { token } = await exchangeAssertion(context, assertionOf(claimant, node, nonce()));
      return `Bearer ${token}`;
    },
    events: async (node: string) =>
      (
        await db.selectFrom('event').select(['kind']).where('subject', '=', `node/${node}`).orderBy('seq').execute()
      ).map(({ kind }) => kind),
  };
}

/** A JWT as the agent makes it; `claims` replaces some of them. */
export function assertionOf(by: Machine, node: string, nonce: string, claims: Record<string, unknown> = {}): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const alg = by.kind === 'ed25519' ? 'EdDSA' : 'ES256';
  const text = `${encode({ alg, kid: by.fingerprint })}.${encode({ iss: node, sub: node, aud: 'machinedb', nonce, ...claims })}`;
  return `${text}.${signBy(by, text).toString('base64url')}`;
}
