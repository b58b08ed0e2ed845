import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ReposIntended } from '../../shared/sections/repos.ts';
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
  const ours = list(root, FOLDER).filter((path) => readText(root, path)?.startsWith(header));
  const keyrings = list(root, KEYRINGS).filter((path) => path.startsWith(`${KEYRINGS}/machinedb-`));
  const gone = [...ours, ...keyrings].filter((path) => files[path] === undefined);
  return changesTo(root, 'repos', files, gone);
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
