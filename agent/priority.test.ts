import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

test('an agent that observes has the lowest priority and is the first to be ended when memory is short', async () => {
  const state = mkdtempSync(join(tmpdir(), 'machinedb-priority-'));
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  const main = join(import.meta.dirname, 'main.ts');
  // Nobody listens at port 9: it tries again until it is ended.
  const words = [main, 'run', '--server', 'http://127.0.0.1:9', '--state', state];
  const agent = spawn(process.execPath, words, { stdio: 'ignore' });
  onTestFinished(() => void agent.kill('SIGKILL'));
  const told = () => {
    const stat = readFileSync(`/proc/${agent.pid}/stat`, 'utf8');
    // Fields are counted from behind the name, which is the second and may hold blanks; nice is the 19th.
    const nice = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19 - 3];
    return { nice, oom: readFileSync(`/proc/${agent.pid}/oom_score_adj`, 'utf8').trim() };
  };
  await expect.poll(told, { timeout: 20_000 }).toEqual({ nice: '19', oom: '500' });
}, 30_000);
