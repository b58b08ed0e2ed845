import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { RelayNode, RelaySelf } from '../../shared/api/relay.ts';
import { canonical } from '../../shared/canonical.ts';
import { enrolText } from '../../shared/enrol-text.ts';
import { hashOf } from '../../shared/hash.ts';
import { saidText } from '../../shared/said-text.ts';
import { AwayAnswers } from './away.ts';
import { fingerprintOf, Installs } from './installs.ts';
import { Known } from './known.ts';
import { Queue } from './queue.ts';
import { WantedCache } from './wanted-cache.ts';

const directory = mkdtempSync(join(tmpdir(), 'machinedb-away-'));
const id = '11111111-1111-4111-8111-111111111111';
const young = '22222222-2222-4222-8222-222222222222';
const centre = generateKeyPairSync('ed25519');
const mine = generateKeyPairSync('ed25519');
const spkiOf = (key: typeof mine.publicKey) => key.export({ type: 'spki', format: 'der' });
const fingerprint = `SHA256:${createHash('sha256').update(spkiOf(mine.publicKey)).digest('base64').replace(/=+$/, '')}`;
const node = (name: string, level: string): RelayNode => ({
  ...{ node: name, level, cards: {}, boot: { spec: { kind: 'local' }, reason: '' } },
  keys: [{ fingerprint, kind: 'ed25519', public_key: spkiOf(mine.publicKey).toString('base64') }],
});
const trust = {
  ...{ name: 'machinedb', pins: ['ab'] },
  wanted_keys: [{ id: 'k1', public_key: spkiOf(centre.publicKey).toString('base64') }],
};
const unknown = { spec: { kind: 'local' }, reason: '' } as const;
const trust_signatures = [{ public_key: 'AA==', signature: 'AA==' }];
const self: RelaySelf = { name: 'r', site: 's', trust, trust_signatures, certificates: [], unknown, images: [] };

const installs = new Installs();
const known = new Known(directory, (each) => installs.over(each));
const queue = await Queue.open(directory, 5000);
const wanted = new WantedCache(join(directory, 'wanted'));
let now = Date.UTC(2026, 10, 1);
let away: AwayAnswers;
beforeEach(async () => {
  await known.replace(self, [node(id, 'approved'), node(young, 'claimed')]);
  installs.forget();
  away = new AwayAnswers({ known, queue, installs, wanted, heartbeatMs: 30_000, now: () => now, random: () => 0.5 });
  while (queue.first() !== undefined) await queue.delivered();
});
afterAll(async () => {
  await queue.close();
  rmSync(directory, { recursive: true });
});

async function ask(line: string, body = '', headers: Record<string, string> = {}) {
  const [method = '', path = ''] = line.split(' ');
  const reply = await away.answer({ method, path, headers, remote: '' }, Buffer.from(body));
  return { status: reply.status, wait: reply.headers['retry-after'], json: JSON.parse(reply.body.toString('utf8')) };
}
const signBy = (text: string) => sign(null, Buffer.from(text), mine.privateKey);
async function token(name = id, nonce?: string, by: (text: string) => Buffer = signBy) {
  const given = nonce ?? String((await ask('POST /v1/nonce')).json.nonce);
  const encode = (value: unknown) => Buffer.from(canonical(value)).toString('base64url');
  const text = `${encode({ alg: 'EdDSA', kid: fingerprint })}.${encode({ iss: name, sub: name, aud: 'machinedb', nonce: given })}`;
  const client_assertion = `${text}.${by(text).toString('base64url')}`;
  return await ask('POST /v1/token', JSON.stringify({ client_assertion }));
}
const bearer = async (name = id) => ({ authorization: `Bearer ${(await token(name)).json.access_token}` });

test('a node that is known proves itself with its key; one that is not waits for the centre', async () => {
  expect(await token()).toMatchObject({
    status: 200,
    json: { token_type: 'Bearer', expires_in: 3600, trust, trust_signatures },
  });
  expect(await token('33333333-3333-4333-8333-333333333333')).toMatchObject({ status: 503, wait: '30' });
  expect(await token(id, 'a.b.c')).toMatchObject({ status: 401 });
  expect(await token(id, undefined, () => Buffer.alloc(64))).toMatchObject({
    ...{ status: 401, json: { detail: 'the assertion is not by a key of this node' } },
  });
  const { json } = await ask('POST /v1/nonce');
  now += 300_001;
  expect(await token(id, json.nonce)).toMatchObject({ status: 401 });
  const pass = await bearer();
  expect((await ask('GET /v1/self', '', pass)).status).toBe(200);
  now += 3_600_001;
  expect((await ask('GET /v1/self', '', pass)).status).toBe(401);
  const other = await bearer();
  await known.replace(self, []);
  expect((await ask('GET /v1/self', '', other)).status).toBe(401);
});

test('what a node tells is queued as it was signed, in its order; what it did not sign is not', async () => {
  const pass = await bearer();
  const body = '{"boot_id":"b","seq":1,"version":"1","sections":{"os":{"name":"x"},"gpus":null}}';
  const signature = signBy(`machinedb-report\n${body}`).toString('base64');
  const signed = { ...pass, 'machinedb-signature': signature };
  const hashes = { os: hashOf({ name: 'x' }) };
  expect(await ask('PUT /v1/self/observed', body, signed)).toMatchObject({
    status: 200,
    json: { hashes, rejected: {} },
  });
  expect((await ask('GET /v1/self', '', pass)).json).toEqual({
    ...{ node: id, state: '', level: 'approved', hashes, generation: 0 },
  });
  const outcome = '{"generation":3,"outcome":"applied","steps":[]}';
  const by = signBy(saidText('PUT', '/v1/self/applied', { boot_id: 'b', n: 7 }, outcome)).toString('base64');
  const told = { ...pass, 'machinedb-said': 'b 7', 'machinedb-signature': by };
  expect(await ask('PUT /v1/self/applied', outcome, told)).toMatchObject({ status: 200, json: {} });
  expect((await ask('PUT /v1/self/applied', outcome, { ...told, 'machinedb-said': 'b 8' })).status).toBe(401);
  expect((await ask('PUT /v1/self/observed', `${body} `, signed)).status).toBe(401);
  expect((await ask('PUT /v1/self/observed', '[]', signed)).status).toBe(400);
  const queued = [];
  for (let next = queue.first(); next !== undefined; next = queue.first()) {
    queued.push(next);
    await queue.delivered();
  }
  expect(queued).toEqual([
    { node: id, method: 'PUT', path: '/v1/self/observed', body, signature },
    { node: id, method: 'PUT', path: '/v1/self/applied', body: outcome, order: 'b 7', signature: by },
  ]);
  // The centre is back and has it: from now on the relay knows nothing of it.
  away.forget();
  expect((await ask('GET /v1/self', '', pass)).json.hashes).toEqual({});
});

test('nothing more is queued while what waited is delivered: it would come before what was told earlier', async () => {
  const body = '{"boot_id":"b","seq":1,"version":"1","sections":{"os":{"name":"x"}}}';
  const signature = signBy(`machinedb-report\n${body}`).toString('base64');
  const signed = { ...(await bearer()), 'machinedb-signature': signature };
  away.delivering = true;
  expect(await ask('PUT /v1/self/observed', body, signed)).toMatchObject({
    ...{ status: 503, wait: '1', json: { detail: 'the centre is back, and what waited goes first' } },
  });
  expect([queue.length, (await ask('GET /v1/self', '', signed)).json.hashes]).toEqual([0, {}]);
  away.forget();
  expect((await ask('PUT /v1/self/observed', body, signed)).status).toBe(200);
  expect(queue.length).toBe(1);
});

test('104 what does not fit is refused with a cause, and a time to come again', async () => {
  const body = `{"boot_id":"b","seq":1,"version":"1","sections":{"os":"${'x'.repeat(6000)}"}}`;
  const signature = signBy(`machinedb-report\n${body}`).toString('base64');
  const signed = { ...(await bearer()), 'machinedb-signature': signature };
  expect(await ask('PUT /v1/self/observed', body, signed)).toMatchObject({
    ...{ status: 503, wait: '30', json: { detail: 'the queue of this relay is full (5000 bytes)' } },
  });
  expect((await ask('GET /v1/self', '', signed)).json.hashes).toEqual({});
});

test('what is wanted comes as the centre signed it, to the node it is for; nothing new is applied', async () => {
  const pass = await bearer();
  const content = { node: id, generation: 4, wanted: { time: {} } };
  const signature = sign(null, Buffer.from(canonical(content)), centre.privateKey).toString('base64');
  const good = { ...content, signature, key: 'k1' };
  expect((await ask('GET /v1/self/wanted', '', pass)).status).toBe(404);
  await wanted.keep(Buffer.from(JSON.stringify({ ...good, generation: 5 })), trust);
  expect((await ask('GET /v1/self/wanted', '', pass)).status).toBe(404);
  await wanted.keep(Buffer.from(JSON.stringify(good)), trust);
  expect(await ask('GET /v1/self/wanted', '', pass)).toMatchObject({ status: 200, json: good });
  expect((await ask('GET /v1/self/wanted', '', await bearer(young))).status).toBe(403);
  expect((await ask('POST /v1/self/slot', '{"generation":4}', pass)).json).toEqual({
    ...{ go: false, reason: 'the centre is away: nothing new is applied until it is back' },
  });
  const beat = async (body: string, as = pass) => (await ask('POST /v1/self/heartbeat', body, as)).json;
  expect(await beat('{}')).toEqual({ next_in_ms: 30_000, lease_ms: 105_000, want: [] });
  // A node that has less than the relay is told to fetch it: it was just installed, or lost it.
  expect((await beat('{"generation":3}')).want).toEqual(['wanted']);
  expect((await beat('{"generation":4}')).want).toEqual([]);
  expect((await beat('{"generation":0}', await bearer(young))).want).toEqual([]);
  expect((await beat('nonsense')).want).toEqual([]);
  expect(await ask('POST /v1/self/ssh-host-certificate', '{}', pass)).toMatchObject({ status: 503, wait: '30' });
  expect(await ask('GET /v1/self/install', '', pass)).toMatchObject({ status: 200, json: {} });
  expect((await ask('POST /v1/enrol', '{}')).json.detail).toBe('the claim is not as it should be');
});

test('an install that was asked for begins and ends here: new keys by its signature, words in their order, then the disk', async () => {
  const mac = '52:54:00:00:00:07';
  const after = { spec: { kind: 'local' }, reason: 'install 3 is done' } as const;
  const manifest = {
    name: 'base-os',
    kind: 'disk',
    architecture: 'amd64',
    built_at: '',
    files: {},
    agent: '',
  } as const;
  const image = { manifest: { ...manifest, packages: {} }, signature: 'AA==', key: 'k1' };
  const asked = {
    ...{ ...node(id, 'approved'), cards: { [mac]: [] } },
    boot: { spec: { kind: 'wait', seconds: 1 }, reason: 'install 3 is asked for', state: 'approved' },
    install: { generation: 3, image: 'base-os', wipe: true, disk: {}, after },
  } as RelayNode;
  await known.replace({ ...self, images: [image] }, [asked, { ...asked, node: young, level: 'claimed', cards: {} }]);
  const claim = async (by: typeof mine, more: { previous?: typeof mine; mac?: string; nonce?: string } = {}) => {
    const nonce = more.nonce ?? String((await ask('POST /v1/nonce')).json.nonce);
    const public_key = spkiOf(by.publicKey).toString('base64');
    const body = { nonce, kind: 'ed25519' as const, public_key, hardware: { macs: [more.mac ?? mac] }, boot_id: 'b' };
    const text = Buffer.from(enrolText(body, more.previous && id));
    const signed = (key: typeof mine) => sign(null, text, key.privateKey).toString('base64');
    const previous = more.previous && { previous: { node: id, signature: signed(more.previous) } };
    return await ask('POST /v1/enrol', JSON.stringify({ ...body, ...previous, signature: signed(by) }));
  };
  const [ram, disk] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  const tell = async (by: typeof mine, n: number, told: object) => {
    const body = JSON.stringify(told);
    const text = saidText('PUT', '/v1/self/install', { boot_id: 'b', n }, body);
    const signature = sign(null, Buffer.from(text), by.privateKey).toString('base64');
    const headers = { ...pass, 'machinedb-said': `b ${n}`, 'machinedb-signature': signature };
    return await ask('PUT /v1/self/install', body, headers);
  };
  expect(await claim(ram, { nonce: 'a.b.c' })).toMatchObject({ status: 503, wait: '30' });
  expect(await claim(ram, { mac: '52:54:00:00:00:08' })).toMatchObject({ status: 503, wait: '30' });
  expect(await claim(ram)).toMatchObject({ status: 200, json: { node: id, status: 'approved', state: 'approved' } });
  // Its former key opens nothing any more.
  expect((await token()).status).toBe(503);
  const name = (by: typeof mine) => fingerprintOf(spkiOf(by.publicKey).toString('base64'));
  let pass = await passOf(ram);
  expect(await ask('GET /v1/self/install', '', pass)).toEqual({
    ...{ status: 200, wait: undefined, json: { install: { generation: 3, wipe: true, disk: {}, image } } },
  });
  expect(await tell(ram, 1, { generation: 2, phase: 'started' })).toMatchObject({ json: { proceed: false } });
  expect(await tell(ram, 1, { generation: 3, phase: 'started' })).toMatchObject({ json: { proceed: true } });
  expect(await tell(ram, 2, { generation: 3, phase: 'writing', percent: 5 })).toMatchObject({
    json: { proceed: true },
  });
  expect(await tell(disk, 3, { generation: 3, phase: 'installed' })).toMatchObject({ status: 401 });
  expect(await claim(disk, { previous: disk })).toMatchObject({ status: 401 });
  expect(await claim(disk, { previous: ram })).toMatchObject({ status: 200, json: { fingerprint: name(disk) } });
  pass = await passOf(disk);
  expect(await tell(disk, 3, { generation: 3, phase: 'installed' })).toMatchObject({ json: { proceed: true } });
  expect(known.answer(mac)).toMatchObject(after);
  expect(await ask('GET /v1/self/install', '', pass)).toMatchObject({ status: 200, json: {} });
  // Done is done: the window is closed, and nobody else gets in by it.
  expect(await claim(generateKeyPairSync('ed25519'))).toMatchObject({ status: 503 });
  const lines = queue.entries.map(
    ({ path, body }) => `${path} ${(JSON.parse(body) as { phase?: string }).phase ?? ''}`,
  );
  expect(lines).toEqual(['/v1/enrol ', '/v1/self/install started', '/v1/enrol ', '/v1/self/install installed']);
  // After a power cut the queue says the same.
  const anew = new Installs();
  for (const said of queue.entries) anew.note(said);
  expect(anew.over(asked)).toEqual({ ...known.node(id) });
  expect(known.node(id)?.keys.map(({ fingerprint }) => fingerprint)).toEqual([name(disk)]);

  async function passOf(by: typeof mine) {
    const nonce = String((await ask('POST /v1/nonce')).json.nonce);
    const encode = (value: unknown) => Buffer.from(canonical(value)).toString('base64url');
    const text = `${encode({ alg: 'EdDSA', kid: name(by) })}.${encode({ iss: id, sub: id, aud: 'machinedb', nonce })}`;
    const assertion = `${text}.${sign(null, Buffer.from(text), by.privateKey).toString('base64url')}`;
    const { json } = await ask('POST /v1/token', JSON.stringify({ client_assertion: assertion }));
    return { authorization: `Bearer ${json.access_token}` };
  }
});
