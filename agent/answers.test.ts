import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askTools, type Question, remembering } from './answers.ts';
import { capture } from './capture.ts';
import { ANSWERS, openSystem, type System } from './system.ts';
import type { ToolAnswer } from './tools.ts';

const question = (file: string): Question => ({ file, tool: 'smartctl', args: [file], timeoutMs: 1, maxBytes: 1 });
const answered = (answers: Record<string, ToolAnswer | undefined>, system = openSystem()) =>
  askTools(system, Object.keys(answers).map(question), async (_, [name]) => answers[name!]);

test('answers are files; one that failed is told where it is read, one that is not installed is absent', async () => {
  const system = await answered({
    a: { status: 4, stdout: Buffer.from('{}\n') },
    b: { error: 'smartctl did not answer within 1 ms' },
    c: undefined,
    d: { status: 127, stdout: Buffer.alloc(0) },
  });
  const read = (name: string) => () => system.read(`${ANSWERS}/${name}`);
  expect(read('a')()).toBe('{}');
  expect(read('b')).toThrow('smartctl did not answer within 1 ms');
  expect(read('c')()).toBeUndefined();
  expect(read('d')).toThrow('smartctl ended with status 127 and said nothing');
  expect(system.read('/proc/sys/kernel/ostype')).toBe('Linux');
});

test('a capture holds them, and a captured machine is asked nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-answers-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const observe = ({ read }: System) => [read('/proc/sys/kernel/ostype'), read(`${ANSWERS}/a`), read(`${ANSWERS}/b`)];
  const out = join(directory, 'capture.tar.gz');
  const { report } = capture(observe, out, await answered({ a: { status: 0, stdout: Buffer.from('here') } }));
  execFileSync('tar', ['-xzf', out, '-C', directory]);
  const replayed = await answered({ a: { status: 0, stdout: Buffer.from('asked') } }, openSystem(directory));
  expect(observe(replayed)).toEqual(report);
  expect(report).toEqual(['Linux', 'here', undefined]);
});

test('what was answered is not asked again for a while, but for another thing in its place; a failure keeps what was said', async () => {
  let [now, count, fails] = [0, 0, false];
  const said = (text: string) => ({ status: 0, stdout: Buffer.from(text) });
  const ask = remembering(
    async () => (fails ? { error: 'it hangs' } : said(String(++count))),
    () => now,
    100,
  );
  const answer = async (about?: string) => await ask('smartctl', ['/dev/sda'], { ...question('a'), about });
  expect([await answer(), await answer(), await answer('another')]).toEqual([said('1'), said('1'), said('2')]);
  now = 100;
  expect(await answer()).toEqual(said('3'));
  [now, fails] = [200, true];
  expect([await answer(), await answer('third')]).toEqual([said('3'), { error: 'it hangs' }]);
});
