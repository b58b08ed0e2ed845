import type { Repos } from '../../shared/sections/repos.ts';
import { type AptSource, paragraphs, parseDeb822, parseOneLine } from '../parse/apt-sources.ts';
import { booleanOf, parseDnfRepos, wordsOf } from '../parse/dnf-repos.ts';
import { keyed } from '../parse/keyed.ts';
import { packageManagersOf } from '../parse/package-managers.ts';
import type { System } from '../system.ts';

const mostSources = 500;
/** Files of pins that the agent writes; see apply/repos.ts. */
const OUR_PIN = /^preferences\.d\/machinedb-(.+)\.pref$/;

/** Where packages come from: sources and pins of APT, repositories of dnf. */
export function observe(system: System): Repos | undefined {
  const managers = packageManagersOf(system);
  if (managers.size === 0) return undefined;
  return {
    managers: set([...managers]),
    ...(managers.has('apt') ? { apt: aptSources(system), apt_pins: aptPins(system) } : {}),
    ...(managers.has('dnf') ? { dnf: dnfRepositories(system) } : {}),
  };
}

/**
 * Sources of sources.list(5). The first source of a deb822 file is named as the file is, further ones and all of a one-line
 * file have a number: `debian`, `debian-2`, `sources-1`.
 */
function aptSources(system: System): Repos['apt'] {
  const found = [...files(system)].flatMap(({ path, stem, format }) => {
    const text = system.read(path) ?? '';
    const sources = format === 'sources' ? parseDeb822(text) : parseOneLine(text);
    return sources.map((source, index) => ({
      keys: [format === 'sources' && index === 0 ? stem : `${stem}-${index + 1}`, `${stem}.${format}-${index + 1}`],
      value: sets(source),
    }));
  });
  return found.length === 0 ? undefined : keyed(found, mostSources);
}

/** Pins of apt_preferences(5). Ours are named as in the intent, those of others by their file: `preferences.d/nodejs`. */
function aptPins(system: System): Repos['apt_pins'] {
  // APT reads no other endings, and the one file before the folder.
  const names = system.list('/etc/apt/preferences.d').filter((name) => /^[a-zA-Z0-9_.-]+$/.test(name));
  const read = names
    .filter((name) => !name.includes('.') || name.endsWith('.pref'))
    .map((name) => `preferences.d/${name}`);
  const found = ['preferences', ...read].flatMap((file) => {
    const pins = paragraphs(system.read(`/etc/apt/${file}`) ?? '').filter((fields) => fields.has('package'));
    const ours = OUR_PIN.exec(file)?.[1];
    return pins.map((fields, index) => ({
      keys: [index === 0 ? (ours ?? file) : `${file}-${index + 1}`],
      value: {
        packages: set((fields.get('package') ?? '').split(/\s+/).filter(Boolean)),
        pin: fields.get('pin')?.replace(/\s+/g, ' ').slice(0, 1024),
        priority: wholeNumber(fields.get('pin-priority')),
      },
    }));
  });
  return found.length === 0 ? undefined : keyed(found, mostSources);
}

function dnfRepositories(system: System): Repos['dnf'] {
  const found = system
    .list('/etc/yum.repos.d')
    .filter((name) => name.endsWith('.repo'))
    .map((name) => `/etc/yum.repos.d/${name}`)
    .flatMap((file) =>
      parseDnfRepos(system.read(file) ?? '').map(({ id, options }, index) => ({
        keys: [id.slice(0, 128), `${file}-${index + 1}`],
        value: {
          file,
          baseurl: setOrNone(wordsOf(options.get('baseurl'))),
          metalink: options.get('metalink')?.slice(0, 1024),
          mirrorlist: options.get('mirrorlist')?.slice(0, 1024),
          // What a file does not set has dnf's default.
          enabled: booleanOf(options.get('enabled')) ?? true,
          gpgcheck: booleanOf(options.get('gpgcheck')),
          repo_gpgcheck: booleanOf(options.get('repo_gpgcheck')),
          gpgkey: setOrNone(wordsOf(options.get('gpgkey'))),
          priority: wholeNumber(options.get('priority')),
        },
      })),
    );
  return found.length === 0 ? undefined : keyed(found, mostSources);
}

const wholeNumber = (text: string | undefined) => (/^-?\d{1,9}$/.test(text ?? '') ? Number(text) : undefined);
const setOrNone = (words: string[]) => (words.length === 0 ? undefined : set(words));

// APT itself reads only these endings, and only names of these characters.
function* files(system: System) {
  yield { path: '/etc/apt/sources.list', stem: 'sources', format: 'list' as const };
  for (const name of system.list('/etc/apt/sources.list.d')) {
    const [, stem, format] = /^([a-zA-Z0-9_.-]+)\.(list|sources)$/.exec(name) ?? [];
    if (stem === undefined) continue;
    const path = `/etc/apt/sources.list.d/${name}`;
    yield { path, stem: stem.slice(0, 128), format: format === 'list' ? ('list' as const) : ('sources' as const) };
  }
}

function sets(source: AptSource) {
  return {
    types: set(source.types),
    uris: set(source.uris),
    suites: set(source.suites),
    components: set(source.components),
    enabled: source.enabled,
    signed_by: source.signed_by,
  };
}

function set(words: string[]): Record<string, true> {
  return Object.fromEntries(words.slice(0, 100).map((word) => [word.slice(0, 1024), true]));
}
