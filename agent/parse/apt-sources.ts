import { createHash } from 'node:crypto';
import { maskCredentials } from './secrets.ts';

/** One package source of APT. */
export interface AptSource {
  types: string[];
  uris: string[];
  suites: string[];
  components: string[];
  enabled: boolean;
  signed_by: string | undefined;
}

/** Paragraphs of deb822(5), by field in lower case: fields are continued by lines that begin with a blank. */
export function paragraphs(text: string): Map<string, string>[] {
  return text.split(/\n(?:[ \t]*\n)+/).map((paragraph) => {
    const fields = new Map<string, string>();
    let last: string | undefined;
    for (const line of paragraph.split('\n')) {
      if (line.startsWith('#')) continue;
      const [, name, value] = /^([!-9;-~]+):(.*)$/.exec(line) ?? [];
      if (/^[ \t]/.test(line) && last !== undefined) fields.set(last, `${fields.get(last)}\n${line.trim()}`);
      else if (name !== undefined && value !== undefined) {
        last = name.toLowerCase();
        fields.set(last, value.trim());
      }
    }
    return fields;
  });
}

/** The deb822 form of sources.list(5). */
export function parseDeb822(text: string): AptSource[] {
  return paragraphs(text).flatMap((fields) => {
    const list = (name: string) => (fields.get(name) ?? '').split(/\s+/).filter(Boolean);
    if (list('types').length === 0 || list('uris').length === 0) return [];
    return [
      {
        types: list('types'),
        uris: list('uris').map(address),
        suites: list('suites'),
        components: list('components'),
        enabled: !/^(no|false|without|off|disable|0)$/i.test(fields.get('enabled') ?? ''),
        signed_by: signedBy(fields.get('signed-by')),
      },
    ];
  });
}

/** The one-line form of sources.list(5): `deb [option=value] uri suite component...`. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(.*)$/.exec(line.replace(/#.*/, ''));
    // A CD's URI holds its title, blanks and all, in brackets.
    const [uri, suite, ...components] = match?.[3]?.match(/(?:\[[^\]]*\]|[^\s[])+/g) ?? [];
    if (match?.[1] === undefined || uri === undefined || suite === undefined) return [];
    const options = new Map(
      (match[2] ?? '').split(/\s+/).map((option) => {
        const [name = '', value = ''] = option.split(/=(.*)/s);
        return [name.toLowerCase(), value];
      }),
    );
    return [
      {
        types: [match[1]],
        uris: [address(uri)],
        suites: [suite],
        components,
        enabled: true,
        signed_by: signedBy(options.get('signed-by')),
      },
    ];
  });
}

// A whole key in the file would be kilobytes in every report.
function signedBy(value: string | undefined): string | undefined {
  if (!value) return undefined;
  if (value.includes('BEGIN PGP')) return `sha256:${createHash('sha256').update(value).digest('hex')}`;
  return value.replace(/\s+/g, ' ').slice(0, 1024);
}

// Passwords of private mirrors stay on the machine.
function address(uri: string): string {
  return maskCredentials(uri).slice(0, 1024);
}
