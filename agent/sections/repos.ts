import type { Repos } from '../../shared/sections/repos.ts';
import { type AptSource, parseDeb822, parseOneLine } from '../parse/apt-sources.ts';
import { keyed } from '../parse/keyed.ts';
import type { System } from '../system.ts';

const mostSources = 500;

/**
 * Package sources of APT (sources.list(5)). The first source of a deb822 file is named as the file is, further ones and
 * all of a one-line file have a number: `debian`, `debian-2`, `sources-1`.
 */
export function observe(system: System): Repos | undefined {
  const found = [...files(system)].flatMap(({ path, stem, format }) => {
    const text = system.read(path) ?? '';
    const sources = format === 'sources' ? parseDeb822(text) : parseOneLine(text);
    return sources.map((source, index) => ({
      keys: [format === 'sources' && index === 0 ? stem : `${stem}-${index + 1}`, `${stem}.${format}-${index + 1}`],
      value: sets(source),
    }));
  });
  return found.length === 0 ? undefined : { apt: keyed(found, mostSources) };
}

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
