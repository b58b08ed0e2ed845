import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeFileDurably } from './durable-file.ts';

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-durable-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('a file is written whole, with its mode', () => {
  const file = join(folder(), 'key');
  writeFileDurably(file, 'old', 0o600);
  writeFileDurably(file, 'new', 0o600);
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['new', 0o600]);
});

test('where there is room for a part only, it fails, and the old file stays', () => {
  const file = join(folder(), 'key');
  writeFileDurably(file, 'old', 0o600);
  const program = `
    import { writeFileDurably } from ${JSON.stringify(join(import.meta.dirname, 'durable-file.ts'))};
    writeFileDurably(process.argv[1], 'x'.repeat(1500), 0o600);`;
  // A process that may write files of 1,024 bytes: like a disk with no more room, the first write is short.
  const { status, stderr } = spawnSync('bash', [
    '-c',
    `trap '' XFSZ; ulimit -f 1; exec "$0" --input-type=module -e "$1" "$2"`,
    process.execPath,
    program,
    file,
  ]);
  expect([status, stderr.toString()]).toEqual([1, expect.stringContaining('EFBIG: file too large')]);
  expect(readFileSync(file, 'utf8')).toBe('old');
});
