import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ReposIntended } from '../../shared/sections/repos.ts';
import { parseDnfRepos } from '../parse/dnf-repos.ts';
import { packageManagersOf } from '../parse/package-managers.ts';
import { openSystem } from '../system.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { readText } from './files.ts';

const SOURCES = '/etc/apt/sources.list.d';
const KEYRINGS = '/etc/apt/keyrings';
const PINS = '/etc/apt/preferences.d';
const DNF = '/etc/yum.repos.d';
const DNF_KEYS = '/etc/pki/rpm-gpg';

/**
 * Sources (sources.list(5)) and pins (apt_preferences(5)) of APT, repositories of dnf (dnf.conf(5)), and their keys; those of
 * ours that are no longer wanted go. Throws when the machine lacks the package manager, or a file of others is in the way.
 */
export function planRepos(root: string, wanted: ReposIntended, material: Record<string, string>): Change[] {
  const managers = packageManagersOf(openSystem(root));
  for (const [key, manager] of [
    ['apt', 'apt'],
    ['apt_pins', 'apt'],
    ['dnf', 'dnf'],
  ] as const)
    if (Object.keys(wanted[key] ?? {}).length > 0 && !managers.has(manager))
      throw new Error(`repos.${key} is wanted of a machine without ${manager}: intend it for other machines only`);
  const files: Files = {};
  for (const [name, repository] of Object.entries(wanted.apt ?? {}))
    files[`${SOURCES}/${name}.sources`] = { text: sourceText(repository), mode: 0o644 };
  for (const [name, pin] of Object.entries(wanted.apt_pins ?? {}))
    files[`${PINS}/machinedb-${name}.pref`] = { text: pinText(pin), mode: 0o644 };
  for (const [id, repository] of Object.entries(wanted.dnf ?? {}))
    files[dnfFileOf(root, id)] = { text: dnfText(id, repository), mode: 0o644 };
  for (const path of keysOf(wanted))
    if (material[path] !== undefined) files[path] = { text: material[path], mode: 0o644 };
  const gone = ours(root).filter((path) => files[path] === undefined);
  return changesTo(root, 'repos', files, gone);
}

/** Files of keys that the repositories name. */
function keysOf({ apt = {}, dnf = {} }: ReposIntended): string[] {
  const urls = Object.values(dnf).flatMap(({ gpgkey = {} }) => Object.keys(gpgkey));
  const keyrings = Object.values(apt).flatMap(({ signed_by }) => signed_by ?? []);
  return [...keyrings, ...urls.map((url) => url.replace(/^file:\/\//, ''))];
}

/** Files that the agent has written. What we write is a file: a link is somebody else's. */
function ours(root: string): string[] {
  const named = (folder: string) => list(root, folder).filter((path) => path.startsWith(`${folder}/machinedb-`));
  const marked = (folder: string, ending: string) =>
    list(root, folder)
      .filter((path) => path.endsWith(ending) && lstatSync(join(root, path)).isFile())
      .filter((path) => readText(root, path)?.startsWith(header));
  return [
    ...marked(SOURCES, '.sources'),
    ...named(KEYRINGS),
    ...marked(PINS, '.pref'),
    ...marked(DNF, '.repo'),
    ...named(DNF_KEYS),
  ];
}

/** Where a repository of dnf is written. Of two with one id dnf takes the one it reads last, which nobody can want. */
function dnfFileOf(root: string, id: string): string {
  const own = `${DNF}/${id}.repo`;
  for (const path of list(root, DNF).filter((each) => each.endsWith('.repo'))) {
    const text = readText(root, path) ?? '';
    const ids = text.startsWith(header) ? [] : parseDnfRepos(text).map((repository) => repository.id);
    if (path === own ? ids.some((each) => each !== id) : ids.includes(id))
      throw new Error(`${path} has other repositories beside "${id}", or that one a second time: move it away`);
  }
  return own;
}

const sorted = (set: Record<string, unknown> | undefined) => Object.keys(set ?? {}).sort();

/** Lines `name SEPARATOR value` of the values that are there, under our header. */
function textOf(fields: [string, string | undefined][], separator: string, above: string[] = []): string {
  const lines = fields.flatMap(([name, value]) => (value === undefined ? [] : [`${name}${separator}${value}`]));
  return `${[header, ...above, ...lines].join('\n')}\n`;
}

function sourceText(repository: NonNullable<ReposIntended['apt']>[string]): string {
  const { types, uris, suites, components, enabled, signed_by } = repository;
  const fields: [string, string | undefined][] = [
    ['Enabled', enabled === undefined ? undefined : enabled ? 'yes' : 'no'],
    ['Types', types === undefined ? 'deb' : sorted(types).join(' ')],
    ['URIs', sorted(uris).join(' ')],
    ['Suites', sorted(suites).join(' ')],
    ['Components', components === undefined ? undefined : sorted(components).join(' ')],
    ['Signed-By', signed_by],
  ];
  return textOf(fields, ': ');
}

function pinText({ packages, pin, priority }: NonNullable<ReposIntended['apt_pins']>[string]): string {
  const fields: [string, string | undefined][] = [
    ['Package', sorted(packages).join(' ')],
    ['Pin', pin],
    ['Pin-Priority', String(priority)],
  ];
  return textOf(fields, ': ');
}

function dnfText(id: string, repository: NonNullable<ReposIntended['dnf']>[string]): string {
  const { baseurl, metalink, mirrorlist, enabled, gpgcheck, repo_gpgcheck, gpgkey, priority } = repository;
  const flag = (value: boolean) => (value ? '1' : '0');
  const urls = (set: Record<string, unknown> | undefined) => sorted(set).join('\n  ') || undefined;
  const fields: [string, string | undefined][] = [
    ['name', id],
    ['baseurl', urls(baseurl)],
    ['metalink', metalink],
    ['mirrorlist', mirrorlist],
    ['enabled', flag(enabled ?? true)],
    ['gpgcheck', flag(gpgcheck ?? true)],
    ['repo_gpgcheck', flag(repo_gpgcheck ?? false)],
    ['gpgkey', urls(gpgkey)],
    ['priority', priority === undefined ? undefined : String(priority)],
  ];
  return textOf(fields, '=', [`[${id}]`]);
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
