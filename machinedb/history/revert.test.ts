import { expect, test } from 'vitest';
import { withIntents } from '../testing/intents.ts';

const { ask, node, now, context } = await withIntents();
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));
const time = async () => {
  await pause();
  const at = new Date().toISOString();
  await pause();
  return at;
};
const tags = { role: 'gpu', section: 'tags' };
const any = { 'if-match': '*' };
const current = async () =>
  (await ask('getRoleIntent', { params: { role: 'gpu' } })).items.find(({ section }) => section === 'tags');

test('a section becomes what it was, as a new version after a preview, and back by its version', async () => {
  const id = await node();
  await ask('assignNode', { params: { node: id }, body: { role: 'gpu', reason: 'test' } });
  const before = await time();
  await ask('putRoleIntent', { params: tags, body: { blue: true } });
  const blue = await time();
  const first = await current();
  await ask('putRoleIntent', { params: tags, body: { red: true } }, any);
  const { etag } = (await current())!;
  const request = { params: tags, body: { to: blue, reason: 'red was wrong' } };

  const preview = await ask('revertRoleIntent', { ...request, query: { dry_run: true } }, { 'if-match': etag });
  const changes = [
    { path: '/tags/blue', to: true },
    { path: '/tags/red', from: true },
  ];
  expect(preview).toEqual({ applied: false, affected: 1, nodes: [{ node: id, changes }] });
  expect(await current()).toMatchObject({ data: { red: true }, etag });

  const done = await ask('revertRoleIntent', request, { 'if-match': etag });
  expect(done).toMatchObject({ applied: true, affected: 1, nodes: [{ node: id, changes }] });
  const after = await current();
  expect(after).toMatchObject({ data: { blue: true }, actor: 'ann', reason: 'red was wrong', etag: done.etag });
  expect(after!.etag).not.toBe(first!.etag);
  expect((await now(id)).tags).toEqual(['blue']);

  await ask('revertRoleIntent', { params: tags, body: { revision: etag, reason: 'it was right' } }, any);
  expect((await current())!.data).toEqual({ red: true });
  await ask('revertRoleIntent', { params: tags, body: { to: before, reason: 'neither' } }, any);
  expect(await current()).toBeUndefined();
});

test('it is refused when it is so already, when it changed in between, and without saying to what', async () => {
  await ask('putRoleIntent', { params: tags, body: { a: true } });
  const at = await time();
  const revert = (body: object, headers = {}) =>
    ask('revertRoleIntent', { params: tags, body: { reason: 'test', ...body } }, headers);
  await expect(revert({ to: at }, any)).rejects.toThrow(
    `tags of role/gpu is what it was at ${at} already: there is nothing to go back to`,
  );
  const { etag } = (await current())!;
  await ask('putRoleIntent', { params: tags, body: { b: true } }, any);
  await expect(revert({ to: at }, { 'if-match': etag })).rejects.toMatchObject({
    status: 412,
    message: expect.not.stringContaining('cannot become'),
  });
  await expect(revert({ to: at })).rejects.toMatchObject({ status: 428 });
  await expect(revert({})).rejects.toThrow(
    'say to (a time) or revision (the etag or cursor of a version), one of both',
  );
  await expect(revert({ revision: '"1"' }, any)).rejects.toThrow('"1" is no version of tags of role/gpu');
  const other = await ask('putRoleIntent', { params: { role: 'web', section: 'tags' }, body: { c: true } });
  await expect(revert({ revision: other.etag }, any)).rejects.toThrow(
    `${other.etag} is no version of tags of role/gpu`,
  );
  // The same number means another version in another history.
  Object.assign(context, { feed: { epoch: 'aaaaaaaa' } });
  const of = (epoch: string) => revert({ revision: `${epoch}.${etag.slice(1, -1)}` }, any);
  await expect(of('bbbbbbbb')).rejects.toMatchObject({
    status: 410,
    message: expect.stringMatching(
      /^bbbbbbbb\.\d+ is of another history \(the database was restored\): say to, a time$/,
    ),
  });
  expect(await of('aaaaaaaa')).toMatchObject({ applied: true });
});

test("an old value that today's rules refuse stays old: a unit that is taken, a role that is gone", async () => {
  const [first, second] = [await node(), await node()];
  const assign = (id: string, body: object) =>
    ask('assignNode', { params: { node: id }, body: { ...body, reason: 'x' } });
  await ask('putRole', { params: { role: 'old' }, body: {} });
  await assign(first, { site: 'ber', rack: 'r1', unit: 3, role: 'old' });
  const then = await time();
  await assign(first, { unit: 5, role: 'web' });
  await assign(second, { site: 'ber', rack: 'r1', unit: 3, fqdn: 'second.example.org' });
  await ask('deleteRole', { params: { role: 'old' } });
  const revert = (section: string) =>
    ask('revertNodeIntent', { params: { node: first, section }, body: { to: then, reason: 'test' } }, any);
  await expect(revert('placement')).rejects.toMatchObject({
    code: 'conflict',
    message: `placement of node/${first} cannot become what it was at ${then} again: unit 3 of rack r1 in site ber is taken by second.example.org (units 3)`,
  });
  await expect(revert('role')).rejects.toThrow(/cannot become what it was at .* again: there is no role "old"/);
  expect(await now(first)).toMatchObject({ unit: 5, role: 'web' });
});
