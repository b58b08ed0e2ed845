import { createHash } from 'node:crypto';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { startService } from './testing.ts';

const { directory, content, sha256, damaged, absent, state, get, reset, close } = await startService();
beforeEach(reset);
afterAll(close);

test('a file is served by its digest, whole, in part, and by HEAD', async () => {
  const whole = await get(`/files/${sha256}`);
  expect(whole.status).toBe(200);
  expect(whole.body.equals(content)).toBe(true);
  const { date: _, connection: __, 'keep-alive': ___, ...told } = whole.headers;
  expect(told).toEqual({
    ...{ etag: `"${sha256}"`, 'content-length': '5000', 'accept-ranges': 'bytes' },
    ...{ 'content-type': 'application/octet-stream', 'cache-control': 'public, max-age=31536000, immutable' },
  });
  const part = await get(`/files/${sha256}`, { range: 'bytes=4990-' });
  expect(part).toMatchObject({ status: 206, headers: { 'content-range': 'bytes 4990-4999/5000' } });
  expect(part.body.equals(content.subarray(4990))).toBe(true);
  const last = await get(`/files/${sha256}`, { range: 'bytes=-5' });
  expect(last.body.equals(content.subarray(4995))).toBe(true);
  const middle = await get(`/files/${sha256}`, { range: 'bytes=10-19' });
  expect([middle.headers['content-range'], middle.headers['content-length']]).toEqual(['bytes 10-19/5000', '10']);
  expect(middle.body.equals(content.subarray(10, 20))).toBe(true);
  const head = await get(`/files/${sha256}`, {}, 'HEAD');
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': '5000' } });
  expect(head.body).toHaveLength(0);
  const partly = await get(`/files/${sha256}`, { range: 'bytes=4990-' }, 'HEAD');
  expect([partly.status, partly.headers['content-length'], partly.body.length]).toEqual([206, '10', 0]);
});

test('a file that is not what its name says is not served, nor one that is not there; the answer says the way out', async () => {
  const refusal = async (digest: string) => {
    const { status, body } = await get(`/files/${digest}`);
    return [status, String(body)];
  };
  const verify = 'machinedb image verify NAME tells whether all is well again';
  expect(await refusal(damaged)).toEqual([
    404,
    `the file ${damaged} is damaged: put a good copy in its place; ${verify}`,
  ]);
  expect(await refusal(absent)).toEqual([
    404,
    `no file ${absent} is here: build its image anew, or copy the file from where it was built; ${verify}`,
  ]);
});

test('a damaged file is served once a good copy is in its place, also one of the same size and time', async () => {
  const rotten = Buffer.from('the file of an image');
  const digest = createHash('sha256').update(rotten).digest('hex');
  const path = join(directory, digest);
  state.catalogue = new Set([digest]);
  const put = (data: Buffer) => {
    writeFileSync(path, data);
    utimesSync(path, 1, 1);
  };
  put(Buffer.from('the file of an imagE'));
  expect((await get(`/files/${digest}`)).status).toBe(404);
  put(rotten);
  expect((await get(`/files/${digest}`)).body.equals(rotten)).toBe(true);
});

test('37 a range past the end is 416; several ranges, or none that is understood, are the whole file', async () => {
  expect(await get(`/files/${sha256}`, { range: 'bytes=5000-' })).toMatchObject({
    status: 416,
    headers: { 'content-range': 'bytes */5000' },
  });
  const many = `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`;
  for (const range of ['bytes=-0', 'bytes=9-1', 'bytes=5000-6000'])
    expect([range, (await get(`/files/${sha256}`, { range })).status]).toEqual([range, 416]);
  for (const range of [many, 'bytes=9-1x', 'lines=1-2', 'bytes=-'])
    expect((await get(`/files/${sha256}`, { range })).body).toHaveLength(5000);
});

test('38 a download that is taken up with another ETag gets the whole file', async () => {
  const headers = { range: 'bytes=10-', 'if-range': '"old"' };
  expect(await get(`/files/${sha256}`, headers)).toMatchObject({ status: 200 });
  expect(await get(`/files/${sha256}`, { ...headers, 'if-range': `"${sha256}"` })).toMatchObject({ status: 206 });
});

test('a file that no signed manifest names is not served, and one whose name cannot be looked up is asked for again', async () => {
  state.catalogue = new Set();
  const unnamed = await get(`/files/${sha256}`);
  expect([unnamed.status, String(unnamed.body)]).toEqual([
    404,
    `no image of the catalogue has a file ${sha256}: machinedb image list shows them; machinedb image verify NAME tells whether all is well again`,
  ]);
  state.catalogue = undefined;
  const later = await get(`/files/${sha256}`);
  expect([later.status, later.headers['retry-after'], later.headers['content-type'], String(later.body)]).toEqual([
    ...[503, '5', 'text/plain'],
    'whether an image has this file cannot be looked up (database away): ask again in 5 s\n',
  ]);
});
