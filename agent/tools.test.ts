import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { optionalTool, type ToolName } from './tools.ts';

/** A folder with a tool of that name, which is a script of sh. */
function folderWith(name: ToolName, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'machinedb-tool-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  return folder;
}

const ask = (script: string, args: string[] = [], limits = {}) =>
  optionalTool('smartctl', args, {
    timeoutMs: 20_000,
    maxBytes: 1000,
    folders: [folderWith('smartctl', script)],
    ...limits,
  });

const said = async (...question: Parameters<typeof ask>) => {
  const answer = await ask(...question);
  return answer !== undefined && 'stdout' in answer ? { ...answer, stdout: answer.stdout.toString() } : answer;
};

test('words reach the tool as they are, no shell reads them; a status is told, what it complains of is not', async () => {
  const args = ['a b', '$(id)', '; echo x', ''];
  expect(await said('echo oops >&2; for word; do echo "[$word]"; done; exit 4', args)).toEqual({
    status: 4,
    stdout: '[a b]\n[$(id)]\n[; echo x]\n[]\n',
  });
});

test('it runs with idle priority for processor and disk, without the environment of the agent, and reads nothing', async () => {
  vi.stubEnv('MACHINEDB_TOKEN', 'secret');
  onTestFinished(() => void vi.unstubAllEnvs());
  const script = 'chrt -p $$ | head -n 1; ionice -p $$; env | sort; pwd; wc -c';
  const answer = await said(script);
  expect(answer).toMatchObject({ status: 0 });
  const { stdout } = answer as { stdout: string };
  expect(stdout.replace(/pid \d+/, 'pid N').split('\n')).toEqual([
    "pid N's current scheduling policy: SCHED_IDLE",
    // What ioprio_get(2) says where nothing was asked for: it follows from SCHED_IDLE.
    expect.stringMatching(/^(none: prio|idle)/),
    'LC_ALL=C',
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'PWD=/',
    expect.stringContaining('/'),
    '0',
    '',
  ]);
});

test('what is not installed is not asked, whatever PATH says', async () => {
  const folder = folderWith('smartctl', 'echo here');
  vi.stubEnv('PATH', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await optionalTool('smartctl', [], { timeoutMs: 1000, maxBytes: 10, folders: ['/nowhere'] })).toBeUndefined();
});

test('a tool that hangs is ended in time, and all that it started', async () => {
  const folder = folderWith('smartctl', `sleep 60 & echo $! >${join(tmpdir(), `tool-${process.pid}`)}; sleep 60`);
  onTestFinished(() => rmSync(join(tmpdir(), `tool-${process.pid}`), { force: true }));
  const began = performance.now();
  expect(await optionalTool('smartctl', [], { timeoutMs: 500, maxBytes: 10, folders: [folder] })).toEqual({
    error: 'smartctl did not answer within 500 ms',
  });
  expect(performance.now() - began).toBeLessThan(10_000);
  const child = Number(readFileSync(join(tmpdir(), `tool-${process.pid}`), 'utf8'));
  await expect.poll(() => isRunning(child)).toBe(false);
  await expect
    .poll(async () => await said('echo again'), { timeout: 10_000 })
    .toEqual({ status: 0, stdout: 'again\n' });
});

test('a tool that never ends its answer is ended, one that dies or is no program is told', async () => {
  expect(await said('yes')).toEqual({ error: 'smartctl said more than 1000 bytes' });
  // The first one may not have ended yet, and no second one is started beside it.
  await expect
    .poll(async () => await said('kill -9 $$'), { timeout: 10_000 })
    .toEqual({ error: 'smartctl ended by SIGKILL' });
  const folder = folderWith('lldpctl', '');
  writeFileSync(join(folder, 'lldpctl'), 'garbage');
  const answer = await optionalTool('lldpctl', [], { timeoutMs: 20_000, maxBytes: 10, folders: [folder] });
  expect(answer).not.toMatchObject({ status: 0 });
});

function isRunning(pid: number): boolean {
  try {
    // A zombie has ended: nobody has waited for it yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
