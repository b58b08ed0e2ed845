import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startHarness } from './harness.ts';
import { machinedb, root, runProgram, settingsFor, surroundings } from './program.ts';

const harness = await startHarness();
const [daemon] = harness.daemons;
const command = join(root, 'machinedb/bin/machinedb');
afterAll(() => harness.close());

test('a table for people, JSON for programs, messages apart', async () => {
  await machinedb(daemon, ['site', 'put', 'ams1', '--description', 'Amsterdam']);
  expect(await machinedb(daemon, ['site', 'list'])).toEqual({
    code: 0,
    stdout: 'NAME  DESCRIPTION\nams1  Amsterdam\n',
    stderr: '',
  });
  const json = await machinedb(daemon, ['site', 'list', '--json']);
  expect(JSON.parse(json.stdout)).toEqual({ items: [{ name: 'ams1', description: 'Amsterdam' }] });
});

test('where roll-outs stand, and what is set for them', async () => {
  await machinedb(daemon, ['role', 'put', 'gpu']);
  const set = await machinedb(daemon, ['rollout', 'set', 'gpu', '--slots', '2', '--stop-after', '1', '--json']);
  expect(JSON.parse(set.stdout)).toMatchObject({ role: 'gpu', state: 'idle', slots: 2, stop_after: 1 });
  expect(await machinedb(daemon, ['rollout', 'show', 'gpu'])).toEqual({
    code: 0,
    stdout:
      'ROLE  STATE  WAITING  APPLYING  APPLIED  UNDONE  CHANGE  BY  AT  REASON\ngpu   idle   0        0         0        0\n',
    stderr: '',
  });
  const json = await machinedb(daemon, ['rollout', 'show', '--json']);
  expect(JSON.parse(json.stdout)).toEqual({ items: [JSON.parse(set.stdout)] });
  expect(await machinedb(daemon, ['rollout', 'resume', 'gpu', '--reason', 'x'])).toEqual({
    code: 4,
    stdout: '',
    stderr: 'machinedb: the roll-out of role gpu is not stopped\n',
  });
});

test.each([
  ['no such command', ['frobnicate'], 2, 'machinedb: there is no command "frobnicate": machinedb --help lists them\n'],
  [
    'another number',
    ['node', 'list'],
    2,
    'machinedb: there is no command "node": did you mean nodes? machinedb --help lists them\n',
  ],
  [
    'no such second word',
    ['grace', 'list'],
    2,
    'machinedb: there is no command "grace list": did you mean grace show, grace set? machinedb --help lists them\n',
  ],
  [
    'an unknown flag',
    ['site', 'list', '--colour', 'red'],
    2,
    "machinedb: Unknown option '--colour': expected --cursor, --limit, --json, --yes, --file, --all, --help\n",
  ],
  [
    'a cursor that is none',
    ['events', '--follow', '--since', 'x'],
    1,
    'machinedb: the cursor x is not one that the feed gave (epoch.seq)\n',
  ],
  [
    'a flag twice',
    ['rack', 'power', 'r1', '--fail', 'A', '--fail', 'B'],
    2,
    'machinedb: --fail is given twice: give it once\n',
  ],
  ['a move without reason', ['move', 'n1=r1:5'], 2, 'machinedb: move needs --reason\n'],
  ['a missing flag', ['approve', 'x'], 2, 'machinedb: approve needs --fingerprint\n'],
  [
    'a missing argument',
    ['show'],
    2,
    'machinedb: usage: machinedb show NODE [flags]; machinedb show --help tells them\n',
  ],
  [
    'no number',
    ['rack', 'put', 'ams1', 'r1', '--height', 'tall'],
    2,
    'machinedb: --height is "tall": a number is expected\n',
  ],
  ['no such node', ['show', 'nope'], 3, 'machinedb: there is no node "nope": machinedb nodes lists them\n'],
  [
    'a contradiction',
    ['rack', 'put', 'nope', 'r1', '--height', '4'],
    1,
    'machinedb: there is no site "nope": machinedb site list shows them, machinedb site put nope makes it\n',
  ],
])('%s: exit code and message', async (_name, args, code, stderr) => {
  expect(await machinedb(daemon, args)).toEqual({ code, stdout: '', stderr });
});

test('a daemon that is not there: 5; a token that is not good: 6', async () => {
  const away = await runProgram(command, ['nodes'], { ...settingsFor(daemon), MACHINEDB_URL: 'https://127.0.0.1:1' });
  expect(away).toMatchObject({ code: 5, stdout: '' });
  expect(away.stderr).toMatch(
    /^machinedb: https:\/\/127\.0\.0\.1:1 cannot be reached \(.*\): is the daemon running, and is MACHINEDB_URL right\?\n$/,
  );
  expect(await runProgram(command, ['nodes'], { ...settingsFor(daemon), MACHINEDB_TOKEN: 'mdb_no' })).toMatchObject({
    code: 6,
  });
});

test('94: a token file that others can read is refused', async () => {
  const file = join(harness.directory, 'open.token');
  copyFileSync(join(daemon.stateDirectory, 'operator.token'), file);
  chmodSync(file, 0o644);
  expect(await runProgram(command, ['nodes'], { ...settingsFor(daemon), MACHINEDB_TOKEN_FILE: file })).toEqual({
    code: 6,
    stdout: '',
    stderr: `machinedb: ${file} can be read by others: make a new token, and keep it with chmod 600 ${file}\n`,
  });
});

test('94: a reader that has seen enough is no failure', async () => {
  // More than a pipe holds, so that the end of the reader is felt.
  for (let i = 0; i < 5; i++) {
    const sites = Array.from({ length: 40 }, (_, k) =>
      harness.call('putSite', { params: { site: `s${i}-${k}` }, body: { description: 'x'.repeat(500) } }),
    );
    await Promise.all(sites);
  }
  const script = `{ ${command} site list --all; echo "code $?" >&2; } | head -1`;
  const seen = await runProgram('sh', ['-c', script], settingsFor(daemon));
  expect(seen).toMatchObject({ code: 0, stderr: 'code 0\n' });
});

test('an intent is put, shown, replaced by its version and deleted', async () => {
  await machinedb(daemon, ['role', 'put', 'web']);
  const put = (text: string, ...flags: string[]) =>
    machinedb(daemon, ['intent', 'put', 'role/web', 'tags', '--file', '-', ...flags], text);
  const asked = await put('{"blue":true}');
  expect(asked).toEqual({
    code: 2,
    stdout: '',
    stderr:
      '0 nodes would change\nmachinedb: nothing was changed: this is not a terminal, so add --yes to apply it, or --dry-run to only look\n',
  });
  expect(await put('{"blue":true}', '--yes')).toMatchObject({ code: 0, stdout: '0 nodes changed\n' });
  expect(await put('{"green":true}', '--yes')).toMatchObject({ code: 0 });
  expect((await machinedb(daemon, ['intent', 'get', 'role/web'])).stdout).toBe('tags:\n  green: true\n');
  expect(await put('{"Green!":true}', '--yes')).toMatchObject({ code: 1 });
  expect(await machinedb(daemon, ['intent', 'delete', 'role/web', 'tags', '--yes'])).toMatchObject({ code: 0 });
  expect((await machinedb(daemon, ['intent', 'get', 'role/web', '--json'])).stdout).toBe('[]\n');
});

test('a secret comes from a file, never from a flag, and is not shown', async () => {
  const file = join(harness.directory, 'secret');
  writeFileSync(file, 'hunter2\n');
  expect((await machinedb(daemon, ['secret', 'put', 'bmc', '--value', 'x'])).code).toBe(2);
  expect((await machinedb(daemon, ['secret', 'put', 'bmc', '--file', file])).stdout).toBe('name: bmc\ngeneration: 1\n');
  expect((await machinedb(daemon, ['secret', 'list'])).stdout).not.toContain('hunter2');
});

test('events are followed through a restart of the daemon until interrupted, which is 130', async () => {
  const child = spawn(command, ['events', '--follow', '--json'], {
    env: { ...surroundings, ...settingsFor(daemon) },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const put = async (site: string) => {
    await expect
      .poll(
        async () => {
          await harness.daemons[1].client.call('putSite', { params: { site }, body: {} });
          return text;
        },
        { timeout: 15_000, interval: 300 },
      )
      .toContain(`site/${site}`);
  };
  await put('one');
  await harness.kill(0);
  await harness.start(0);
  await put('two');
  child.kill('SIGINT');
  expect(await ended).toBe(130);
}, 60_000);

test('what happens while a follower is cut off, before it saw anything, reaches it all the same', async () => {
  const child = spawn(command, ['events', '--follow', '--json'], {
    env: { ...surroundings, ...settingsFor(daemon) },
  });
  let text = '';
  let notes = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    notes += String(chunk);
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // The follower has its cursor, and a connection that is then cut: only the notice of the cut tells that it had one.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await harness.kill(0);
  await expect.poll(() => notes, { timeout: 10_000 }).toContain('the connection ended');
  await harness.daemons[1].client.call('putSite', { params: { site: 'in-the-gap' }, body: {} });
  await harness.start(0);
  await expect.poll(() => text, { timeout: 15_000 }).toContain('site/in-the-gap');
  child.kill('SIGINT');
  await ended;
}, 60_000);
