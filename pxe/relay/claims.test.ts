import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RelayNode, RelaySelf } from '../../shared/api/relay.ts';
import { enrolText } from '../../shared/enrol-text.ts';
import { judgeClaim } from './claims.ts';
import { fingerprintOf } from './installs.ts';
import { Known } from './known.ts';
import { Passes } from './passes.ts';

const local = { spec: { kind: 'local' }, reason: '' } as const;
const self: RelaySelf = {
  ...{ name: 'r', site: 's', certificates: [], unknown: local, images: [], trust_signatures: [] },
  trust: { name: 'machinedb', pins: [], wanted_keys: [] },
};
const id = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';
const key = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const public_key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const by = (text: string | Buffer) => sign(null, Buffer.from(text), privateKey);
  return { public_key, fingerprint: fingerprintOf(public_key), by };
};
const old = key();
const fresh = key();
const mac = '52:54:00:00:00:07';
const node: RelayNode = {
  ...{ node: id, level: 'approved', cards: { [mac]: [] }, boot: local },
  keys: [{ fingerprint: old.fingerprint, kind: 'ed25519', public_key: old.public_key }],
  install: { generation: 1, image: 'base-os', wipe: false, disk: {}, after: local },
};

async function knowing(...nodes: RelayNode[]): Promise<Known> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-claims-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const known = new Known(directory);
  await known.replace(self, nodes);
  return known;
}

/** What becomes of a claim of the fresh key: who it is taken for, undefined where only the centre can judge, or the error. */
async function judged(nodes: RelayNode[], more: object = {}): Promise<string | undefined> {
  const claim = { nonce: 'n', kind: 'ed25519' as const, public_key: fresh.public_key, boot_id: 'b', ...more };
  const body = { hardware: { macs: [mac] }, ...claim };
  const signature = fresh.by(enrolText(body, undefined)).toString('base64');
  try {
    const text = Buffer.from(JSON.stringify({ ...body, signature }));
    return judgeClaim(text, await knowing(...nodes), (nonce) => nonce === 'n')?.answer.state;
  } catch (error) {
    return (error as Error).message;
  }
}

test('108 a new key is taken only of a machine that is to be installed, trusted, known by its key, and the only one', async () => {
  expect(await judged([node])).toBe('installing');
  expect(await judged([{ ...node, level: 'attested', boot: { ...local, state: 'approved' } }])).toBe('approved');
  expect(await judged([])).toBeUndefined();
  expect(await judged([{ ...node, level: 'claimed' }])).toBeUndefined();
  const { install: _, ...idle } = node;
  expect(await judged([idle])).toBeUndefined();
  // One that was revoked has no keys.
  expect(await judged([{ ...node, keys: [] }])).toBeUndefined();
  expect(await judged([node, { ...node, node: other }])).toBeUndefined();
  expect(await judged([node], { rescue: true })).toBeUndefined();
  expect(await judged([node], { nonce: 'of the centre' })).toBeUndefined();
  expect(await judged([node], { public_key: old.public_key })).toBe(
    'the signature is not by public_key over this claim',
  );
});

test('63 64 an assertion that names somebody else, or another door, is refused', () => {
  const passes = new Passes(() => 0);
  const nodeOf = (name: string) => (name === id ? node : undefined);
  const exchange = (claims: object, by = old.by) => {
    const all = { iss: id, sub: id, aud: 'machinedb', nonce: passes.nonce(), ...claims };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${encode({ alg: 'EdDSA', kid: old.fingerprint })}.${encode(all)}`;
    try {
      return passes.exchange(`${text}.${by(text).toString('base64url')}`, nodeOf)?.slice(0, 5);
    } catch (error) {
      return (error as Error).message;
    }
  };
  const needed = 'the assertion needs iss = sub = node id, aud = "machinedb" and nonce';
  expect(exchange({})).toBe('mdbp_');
  expect(exchange({ iss: other })).toBe(needed);
  expect(exchange({ aud: 'elsewhere' })).toBe(needed);
  expect(exchange({ nonce: 1 })).toBe(needed);
  expect(exchange({ iss: 7, sub: 7 })).toBe(needed);
  expect(exchange({ nonce: 'a.b.c' })).toBe('the nonce was not made here, or has expired');
  expect(exchange({}, fresh.by)).toBe('the assertion is not by a key of this node');
  expect(exchange({ iss: other, sub: other })).toBeUndefined();
  // A nonce is no pass, and a pass of another process is none here.
  expect(passes.holder(`Bearer mdbp_${passes.nonce()}`, nodeOf)).toBeUndefined();
  expect(new Passes(() => 0).isNonce(passes.nonce())).toBe(false);
});
