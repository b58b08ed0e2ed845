import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import { must, type Run } from '../command.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { readText } from './files.ts';

const FOLDER = '/etc/apt/sources.list.d';
const KEYRINGS = '/etc/apt/keyrings';

/** deb822 sources and their keyrings (sources.list(5)); sources of ours that are no longer wanted go. */
export function planRepos(root: string, { apt = {} }: ReposIntended, material: Record<string, string>): Change[] {
  const files: Files = {};
  for (const [name, repository] of Object.entries(apt)) {
    files[`${FOLDER}/${name}.sources`] = { text: sourceText(repository), mode: 0o644 };
    const key = repository.signed_by === undefined ? undefined : material[repository.signed_by];
    if (key !== undefined && repository.signed_by !== undefined)
      files[repository.signed_by] = { text: key, mode: 0o644 };
  }
  const ours = sourcesOfOurs(root);
  const keyrings = list(root, KEYRINGS).filter((path) => path.startsWith(`${KEYRINGS}/machinedb-`));
  const gone = [...ours, ...keyrings].filter((path) => files[path] === undefined);
  return changesTo(root, 'repos', files, gone);
}

/**
 * Has APT read each of our sources, without the network; what others wrote is not looked at. Throws when it refuses one:
 * that would keep it from reading all others.
 */
export function checkRepos(run: Run, root: string): void {
  for (const path of sourcesOfOurs(root)) {
    const only = ['-o', `Dir::Etc::sourcelist=${path}`, '-o', 'Dir::Etc::sourceparts=/dev/null'];
    must(run, 'apt-get', ['indextargets', ...only]);
  }
}

/** What we write is a file: a link is somebody else's. */
function sourcesOfOurs(root: string): string[] {
  return list(root, FOLDER)
    .filter((path) => path.endsWith('.sources') && lstatSync(join(root, path)).isFile())
    .filter((path) => readText(root, path)?.startsWith(header));
}

type Repository = NonNullable<ReposIntended['apt']>[string];

function sourceText({ types, uris, suites, components, enabled, signed_by }: Repository): string {
  const words = (set: Record<string, unknown> | undefined) =>
    Object.keys(set ?? {})
      .sort()
      .join(' ');
  const fields: [string, string | undefined][] = [
    ['Enabled', enabled === undefined ? undefined : enabled ? 'yes' : 'no'],
    ['Types', types === undefined ? 'deb' : words(types)],
    ['URIs', words(uris)],
    ['Suites', words(suites)],
    ['Components', components === undefined ? undefined : words(components)],
    ['Signed-By', signed_by],
  ];
  const lines = fields.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}`);
  return `${[header, ...lines].join('\n')}\n`;
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
