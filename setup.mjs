// Installs what a fresh clone lacks, on the machine's own Node (20 or newer) and npm, and does nothing when nothing
// changed. Everything after it runs on the Node 24 that npm brings: by its path, since a shell that has run `node` once
// keeps to the one it found first.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

process.chdir(import.meta.dirname ?? new URL('.', import.meta.url).pathname);
const stamp = 'node_modules/.machinedb-setup';
const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('setup: installing the pinned packages (npm ci)');
  // No package's install script is needed: the Node and PostgreSQL binaries are shipped inside theirs.
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error('setup: npm ci failed; see its message above, mend it and run the command again');
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
