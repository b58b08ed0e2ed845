import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { RelayNode, RelaySelf } from '../../shared/api/relay.ts';
import type { BootAnswer, ImageManifest } from '../../shared/boot.ts';
import { imageText } from '../../shared/image-text.ts';
import { Known } from './known.ts';

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true });
});
function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-known-'));
  made.push(directory);
  return directory;
}

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
const manifest = (name: string, digit: string): ImageManifest => ({
  ...{ name, kind: 'discovery', architecture: 'amd64', built_at: '2026-11-01T00:00:00Z', packages: {} },
  ...{ files: { kernel: { sha256: digit.repeat(64), size: 7 } }, agent: 'a'.repeat(64) },
});
const signed = (image: ImageManifest) => ({
  ...{ manifest: image, key: 'k1' },
  signature: sign(null, Buffer.from(imageText(image)), privateKey).toString('base64'),
});
const forged = { ...signed(manifest('good', '1')), manifest: manifest('bad', '2') };
const unknown: BootAnswer = { spec: { kind: 'wait', seconds: 5 }, reason: 'unknown machine' };
const self: RelaySelf = {
  ...{ name: 'r1', site: 'ams1', certificates: [], unknown, images: [signed(manifest('good', '1')), forged] },
  trust_signatures: [],
  trust: { name: 'machinedb', pins: [], wanted_keys: [{ id: 'k1', public_key: spki }] },
};
const boot: BootAnswer = { spec: { kind: 'local' }, reason: 'it is active', node: 'n1' };
const node = (id: string, cards: RelayNode['cards']): RelayNode => ({
  node: id,
  level: 'approved',
  cards,
  keys: [],
  boot,
});

test('what the centre said is known after a restart: nodes by their cards, strangers, and those who asked', async () => {
  const directory = folder();
  const known = new Known(directory);
  expect([known.self, known.answer('aa'), known.files()]).toEqual([undefined, undefined, []]);
  known.note('dd', { ...boot, reason: 'it has a system of its own' });
  known.note('ee', unknown);
  await known.replace(self, [node('n1', { aa: ['10.0.0.5/24'], bb: [] }), node('n2', { bb: [] })]);
  for (const each of [known, new Known(directory)]) {
    expect(each.answer('aa')).toEqual({ ...boot, addresses: ['10.0.0.5/24'] });
    expect(each.answer('bb')).toEqual({
      spec: { kind: 'local' },
      reason: 'several nodes have this MAC (n1, n2): a person must look',
    });
    expect(each.answer('dd')?.reason).toBe('it has a system of its own');
    expect(each.answer('ee')).toEqual(unknown);
    expect(each.node('n2')?.cards).toEqual({ bb: [] });
  }
});

test('files are those of manifests whose signature holds, and no others', async () => {
  const known = new Known(folder());
  expect(await known.replace(self, [])).toEqual(['image bad: its signature does not hold']);
  expect(known.files()).toEqual(['1'.repeat(64)]);
  expect([known.sizeOf('1'.repeat(64)), known.sizeOf('2'.repeat(64))]).toEqual([7, undefined]);
  const other = { ...self, trust: { ...self.trust, wanted_keys: [] } };
  expect(await known.replace(other, [])).toHaveLength(2);
  expect(known.files()).toEqual([]);
});

test('a stranger that has become a node of the site boots as that, and so many strangers are kept', async () => {
  const directory = folder();
  const known = new Known(directory);
  known.note('aa', { ...boot, reason: 'of no site yet' });
  for (let i = 0; i < 10_001; i++) known.note(`mac ${i}`, { ...boot, reason: String(i) });
  expect(['aa', 'mac 0', 'mac 1', 'mac 10000'].map((mac) => known.answer(mac)?.reason)).toEqual([
    ...[undefined, undefined, '1', '10000'],
  ]);
  await known.replace(self, [node('n1', { 'mac 1': [] })]);
  await known.replace(self, []);
  expect(['mac 1', 'mac 2'].map((mac) => known.answer(mac)?.reason)).toEqual(['unknown machine', '2']);
});

test('what boots machines is fetched before what is installed on them, and what is the same is not written again', async () => {
  const directory = folder();
  const known = new Known(directory);
  const disk: ImageManifest = { ...manifest('base', '3'), kind: 'disk' };
  const images = [signed(disk), signed(manifest('good', '1'))];
  await known.replace({ ...self, images }, []);
  expect(known.files()).toEqual(['1'.repeat(64), '3'.repeat(64)]);
  const written = () => statSync(join(directory, 'known.json')).ino;
  const before = written();
  await known.replace({ ...self, images }, []);
  expect(written()).toBe(before);
  await known.replace({ ...self, images: [] }, []);
  expect(written()).not.toBe(before);
});

test('a file that holds something else is told', () => {
  const directory = folder();
  writeFileSync(join(directory, 'known.json'), '{"self":');
  expect(() => new Known(directory)).toThrow(
    /known.json is damaged \(.*\): remove it, and the relay asks the centre anew$/,
  );
});
