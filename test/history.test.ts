import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { openDb } from '../machinedb/db.ts';
import { putNode } from '../machinedb/testing/nodes.ts';
import { command } from './command.ts';
import { startHarness } from './harness.ts';
import { machinedb } from './program.ts';

const harness = await startHarness();
const [daemon] = harness.daemons;
const db = openDb({ url: harness.databaseUrl, max: 2, statementTimeoutMs: 10_000, onError: () => {} });
afterAll(async () => {
  await db.destroy();
  await harness.close();
});
const run = (...args: string[]) => command(daemon.client, ...args);
const time = async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  const at = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  return at;
};
const [one, two] = [randomUUID(), randomUUID()];

test('diff of two times, and of two nodes, by the command line', async () => {
  await putNode(db, one, { observed: { os: { kernel: '6.1' } } });
  await putNode(db, two, { observed: { os: { kernel: '6.5', name: 'Debian' } } });
  const from = await time();
  await putNode(db, one, { observed: { os: { kernel: '6.12' } } });
  const to = await time();
  await putNode(db, one, { observed: { os: { kernel: '6.13' } } });
  expect(await machinedb(daemon, ['diff', one, '--from', from, '--to', to])).toEqual({
    code: 0,
    stdout: '/observed/os/kernel: 6.1 -> 6.12\n',
    stderr: '',
  });
  expect((await run('diff', one, '--with', two)).out).toBe(
    '/observed/os/kernel: 6.13 -> 6.5\n/observed/os/name: (none) -> Debian',
  );
  expect((await run('diff', one, '--with', one)).out).toBe('nothing differs');
  expect(await run('diff', one)).toMatchObject({ code: 1, note: expect.stringContaining('say from (a time') });
  expect((await run('diff')).code).toBe(2);
});

test('blame, and revert after a preview, by the command line', async () => {
  await run('role', 'put', 'gpu');
  await run('assign', one, '--role', 'gpu', '--reason', 'a GPU machine', '--yes');
  const put = (body: Record<string, unknown>) =>
    harness.call(
      'putRoleIntent',
      { params: { role: 'gpu', section: 'tags' }, query: { reason: 'colours' }, body },
      { ifMatch: '*' },
    );
  await harness.call('putRoleIntent', {
    params: { role: 'gpu', section: 'tags' },
    query: { reason: 'first' },
    body: { blue: true },
  });
  const blue = await time();
  await put({ red: true });

  const told = await run('blame', one, 'tags.red');
  const [head, line] = told.out.split('\n');
  expect(head).toMatch(/^ +BY +PATH +VALUE +SINCE +ACTOR +REASON +MORE$/);
  expect(line).toMatch(
    /^\* +role\/gpu +\/tags\/red +true +2\S+Z +\S+ +colours +the node is in it since 2\S+Z by \S+ \(a GPU machine\)$/,
  );
  expect(await run('blame', one, 'os.nothing')).toMatchObject({ code: 3 });

  const revert = ['revert', 'role/gpu', 'tags', '--to', blue, '--reason', 'red was wrong'];
  const preview = await run(...revert, '--dry-run');
  expect(preview.out).toContain('/tags/blue: (none) -> true');
  expect(preview.out).toContain('1 node would change');
  expect(await run(...revert)).toMatchObject({ code: 2, note: expect.stringContaining('nothing was changed') });
  expect((await run(...revert, '--yes')).out).toContain('1 node changed');
  expect((await harness.call('getRoleIntent', { params: { role: 'gpu' } })).items).toMatchObject([
    { data: { blue: true } },
  ]);
  expect(await run(...revert, '--yes')).toMatchObject({
    code: 4,
    note: `tags of role/gpu is what it was at ${blue} already: there is nothing to go back to`,
  });
});

test('racks and findings as they were, and retention, by the command line', async () => {
  await run('site', 'put', 'ber');
  await run('rack', 'put', 'ber', 'r1', '--height', '10');
  await run(
    'assign',
    one,
    '--site',
    'ber',
    '--rack',
    'r1',
    '--unit',
    '3',
    '--fqdn',
    'g1.example.org',
    '--reason',
    'x',
    '--yes',
  );
  const then = await time();
  await run('assign', one, '--unit', '7', '--reason', 'x', '--yes');
  await run('rack', 'put', 'ber', 'r1', '--height', '42');
  expect((await run('rack', 'list', '--as-of', then)).out).toBe(
    'SITE  NAME  HEIGHT  ROOM  ROW  POSITION  DESCRIPTION\nber   r1    10',
  );
  const found = JSON.parse((await run('findings', '--as-of', then, '--json')).out);
  expect(found.items).toMatchObject([{ node: one, name: 'g1.example.org', section: 'hostname', kind: 'unknown' }]);

  await run('retention', 'put', 'lldp', '--keep-days', '30', '--reason', 'it changes daily');
  expect(await run('retention', 'put', 'lldpp', '--keep-days', '30', '--reason', 'x')).toMatchObject({ code: 1 });
  expect((await run('retention', 'list')).out).toBe('SIDE      SECTION  KEEP_DAYS  WHOLE_FROM\nobserved  lldp     30');
  expect((await run('retention', 'delete', 'lldp')).out).toBe('deleted: true');
  expect(await run('retention', 'delete', 'lldp')).toMatchObject({ code: 3 });
});
