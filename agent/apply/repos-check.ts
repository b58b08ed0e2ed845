import { mkdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { must, type Run } from '../command.ts';
import type { Change } from './change.ts';
import { inScratch } from './scratch.ts';

/**
 * Has APT and dnf read what is to be written, alone, without the network, and before it is in its place: what one of them refuses
 * would keep it from reading all else. Throws what it says.
 *
 * @param scratch path to make folders after
 */
export function checkRepos(run: Run, changes: Change[], scratch: string): void {
  inScratch(scratch, changes, (folder) => {
    const written = changes.filter(({ after }) => after !== undefined).map(({ path }) => path);
    const ending = (end: string) => written.filter((path) => path.endsWith(end)).map((path) => `${folder}${path}`);
    for (const file of ending('.sources')) {
      const only = ['-o', `Dir::Etc::sourcelist=${file}`, '-o', 'Dir::Etc::sourceparts=/dev/null'];
      must(run, 'apt-get', ['indextargets', ...only]);
    }
    for (const file of ending('.pref')) checkPin(run, folder, file);
    const repositories = ending('.repo');
    if (repositories.length > 0) checkDnf(run, folder, repositories);
  });
}

/** Without lists and a status of packages APT reads nothing but the pin. */
function checkPin(run: Run, folder: string, file: string): void {
  const empty = `${folder}/empty`;
  mkdirSync(empty, { recursive: true });
  const options = {
    'Dir::Etc::preferences': file,
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::status': '/dev/null',
    'Dir::State::lists': empty,
    'Dir::Cache': empty,
  };
  const { status, stderr } = run('apt-cache', [
    'policy',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ]);
  // A pin that it does not understand is a warning to APT.
  if (status !== 0 || /^[EW]: /m.test(stderr))
    throw new Error(`APT does not take what is wanted: ${stderr.trim().slice(-500)}`);
}

function checkDnf(run: Run, folder: string, files: string[]): void {
  const options = { reposdir: dirname(files[0]!), cachedir: `${folder}/empty`, logdir: `${folder}/empty` };
  const apart = Object.entries(options).map(([name, value]) => `--setopt=${name}=${value}`);
  const { status, stdout, stderr } = run('dnf', ['--quiet', '--noplugins', ...apart, 'repolist', '--all']);
  // What it does not understand is a warning to dnf, or nothing at all.
  const listed = stdout.split('\n').map((line) => line.split(/\s/)[0]);
  const lacking = files.map((file) => basename(file, '.repo')).filter((id) => !listed.includes(id));
  if (status !== 0 || /invalid/i.test(stderr) || lacking.length > 0)
    throw new Error(
      `dnf does not take what is wanted: ${stderr.trim().slice(-500) || `it lists no ${lacking.join(', ')}`}`,
    );
}
