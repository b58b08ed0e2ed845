import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Run } from '../command.ts';
import type { Facts } from '../facts.ts';
import { afterwards, asWanted, links, machine, options, run, tree } from '../testing/applying.fixture.ts';
import { applyWanted, undo } from './apply.ts';
import { writeFile } from './files.ts';
import { readPending, restore, writePending } from './snapshot.ts';

test('a file that cannot be put back does not keep the others from it, and is tried again', async () => {
  const before = tree();
  const keys = join(machine.root, 'root/.ssh/authorized_keys');
  const probe = afterwards((time) => {
    if (time === 1) {
      rmSync(keys);
      mkdirSync(keys);
    }
    throw new Error('connection refused');
  });
  await expect(applyWanted(options({ probe }))).rejects.toThrow('/root/.ssh/authorized_keys is not a regular file');
  const others: Record<string, string> = { ...before, 'proc/sys/kernel/hostname': 'localhost' };
  delete others['root/.ssh/authorized_keys'];
  expect(tree()).toEqual(others);
  expect(machine.commands.slice(-2)).toEqual(['networkctl reload', 'ip link set dev eth0 mtu 9000']);
  rmSync(keys, { recursive: true });
  expect(undo({ root: machine.root, state: machine.state, run }, 'again')).toBe(true);
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('what does not show after it was applied is undone, and the first difference is named', async () => {
  const observe = () =>
    ({ ...asWanted(), sections: { ...asWanted().sections, ssh: { password_authentication: true } } }) as Facts;
  const { outcome, reason } = await applyWanted(options({ observe }));
  expect(outcome).toBe('undone');
  expect(reason).toBe('ssh/password_authentication is true after it was applied, wanted false');
});

test('96 an answer after the deadline confirms nothing', async () => {
  const before = tree();
  let now = 0;
  const probe = afterwards(() => {
    now += 5001;
  });
  expect(await applyWanted(options({ probe, clock: () => now }))).toMatchObject({
    outcome: 'undone',
    reason: 'the server answered after the deadline only',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
});

test('96 the time that a reload takes is of the deadline', async () => {
  let now = 0;
  const slow: Run = (command, args) => {
    if (command === 'networkctl') now += 5001;
    return run(command, args);
  };
  expect(await applyWanted(options({ run: slow, clock: () => now }))).toMatchObject({
    outcome: 'undone',
    reason: 'the server answered after the deadline only',
  });
});

test('96 what the timer has undone while it was made is told as that', async () => {
  let undoing = false;
  const slow: Run = (command, args) => {
    if (command === 'networkctl' && !undoing) {
      undoing = true;
      undo({ root: machine.root, state: machine.state, run }, 'the deadline is over');
    }
    return run(command, args);
  };
  expect(await applyWanted(options({ run: slow }))).toMatchObject({
    outcome: 'undone',
    reason: 'it took longer than the 5 s that it has to make the change',
  });
});

test('96 what the timer has undone cannot be confirmed any more, and is not tried again', async () => {
  const before = tree();
  const probe = afterwards(() => {
    undo({ root: machine.root, state: machine.state, run }, 'the deadline is over');
  });
  expect(await applyWanted(options({ probe }))).toMatchObject({
    outcome: 'undone',
    reason: 'the change was undone before it was confirmed',
  });
  expect(tree()).toEqual({ ...before, 'proc/sys/kernel/hostname': 'localhost' });
  expect(await applyWanted(options())).toMatchObject({ outcome: 'skipped', reason: 'the deadline is over' });
});

test('97 a second change while one waits for its confirmation is refused', async () => {
  writePending(machine.root, machine.state, { generation: 6, sections: ['ssh'], ...links }, []);
  await expect(applyWanted(options())).rejects.toThrow('another change of this machine is not confirmed yet');
});

test('95 cut off after any write: the files are the old ones again, and it may be cut off again while that is done', async () => {
  const before = tree();
  const changes = (await applyWanted(options({ mode: 'plan' }))).steps.filter((step) => step.startsWith('/'));
  const all = changes.map((step) => step.split('\n')[0]!);
  for (let done = 0; done <= all.length; done++) {
    const saved = `${machine.root}-${done}`;
    cpSync(machine.root, saved, { recursive: true });
    const planned = all.map((path) => ({
      section: 'ssh' as const,
      path,
      before: before[path.slice(1)],
      after: 'new\n',
      mode: 0o644,
    }));
    writePending(saved, machine.state, { generation: 9, sections: ['ssh'], ...links }, planned);
    for (const { path, after, mode } of planned.slice(0, done)) writeFile(saved, path, after, mode);
    const pending = readPending(machine.state)!;
    // The first attempt to undo is cut off after a file.
    for (const { path, before: old, mode } of pending.files.slice(0, 1)) writeFile(saved, path, old ?? undefined, mode);
    expect(restore(saved, machine.state, 'reset')).toMatchObject({ generation: 9 });
    const paths = (readdirSync(saved, { recursive: true }) as string[]).filter((path) =>
      statSync(join(saved, path)).isFile(),
    );
    expect(Object.fromEntries(paths.sort().map((path) => [path, readFileSync(join(saved, path), 'utf8')]))).toEqual(
      before,
    );
    rmSync(saved, { recursive: true });
  }
  expect(restore(machine.root, machine.state, 'again')).toBeUndefined();
});

test('recover --reload lets the old files be in force', () => {
  writePending(
    machine.root,
    machine.state,
    { generation: 6, sections: ['ssh', 'network'], ...links, interfaces: ['eth0'] },
    [],
  );
  expect(undo({ root: machine.root, state: machine.state, run }, 'the agent ended')).toBe(true);
  expect(machine.commands).toEqual([
    ...['systemctl stop machinedb-undo.timer', 'systemctl reload-or-restart ssh.service'],
    ...['networkctl reload', 'networkctl reconfigure eth0'],
  ]);
});
