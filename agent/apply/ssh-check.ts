import { cpSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { must, type Run } from '../command.ts';
import type { Change } from './change.ts';
import { inScratch } from './scratch.ts';

const FOLDER = '/etc/ssh';

/**
 * Has sshd itself read a copy of its settings with ours among them: what it refuses never reaches the files that the running one
 * reads. Throws what it says.
 *
 * @param scratch path to make folders after
 */
export function checkSsh(root: string, run: Run, changes: Change[], scratch: string): void {
  // On a first boot the agent may be here before sshd has its keys and its folder.
  if (globSync('ssh_host_*_key', { cwd: join(root, FOLDER) }).length === 0) must(run, 'ssh-keygen', ['-A']);
  mkdirSync(join(root, '/run/sshd'), { recursive: true, mode: 0o755 });
  inScratch(scratch, changes, (folder) => {
    const copy = join(folder, FOLDER);
    const written = changes.filter(({ after }) => after !== undefined).map(({ path }) => path);
    // What a change removes is not missed by sshd -t, which opens none of it.
    const isSetting = (path: string) => existsSync(path) && !/^(ssh_host_.*|moduli)$/.test(basename(path));
    if (existsSync(join(root, FOLDER)))
      cpSync(join(root, FOLDER), copy, { recursive: true, force: false, dereference: true, filter: isSetting });
    for (const file of globSync(['sshd_config', '**/*.conf'], { cwd: copy }).map((name) => join(copy, name)))
      if (statSync(file).isFile()) writeFileSync(file, readingCopies(readFileSync(file, 'utf8'), folder, written));
    must(run, 'sshd', ['-t', '-f', join(copy, 'sshd_config')]);
  });
}

/** Settings with the copies in place of what Include names, and of files that are not in their place yet. */
function readingCopies(text: string, folder: string, written: string[]): string {
  return text
    .split('\n')
    .map((line) => {
      const [, keyword, patterns] = /^(\s*include[\s=]+)(.*)$/i.exec(line) ?? [];
      if (keyword !== undefined && patterns !== undefined)
        return keyword + patterns.replace(/[^\s"]+/g, (pattern) => copyOf(pattern, folder));
      return written.reduce((each, path) => each.replace(path, `${folder}${path}`), line);
    })
    .join('\n');
}

/** A relative Include is relative to /etc/ssh. */
function copyOf(pattern: string, folder: string): string {
  const path = posix.resolve(FOLDER, pattern);
  return path.startsWith(`${FOLDER}/`) ? `${folder}${path}` : path;
}
