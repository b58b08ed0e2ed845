import { maskCredentials } from './secrets.ts';

/** One repository of a file of yum.repos.d (dnf.conf(5)). */
export interface DnfRepository {
  id: string;
  options: Map<string, string>;
}

/** Sections of a .repo file: `[id]`, then `option = value`, continued by lines that begin with a blank. */
export function parseDnfRepos(text: string): DnfRepository[] {
  const found: DnfRepository[] = [];
  let last: string | undefined;
  for (const line of text.split('\n')) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const id = /^\[([^\]]+)\]/.exec(line)?.[1];
    const options = found.at(-1)?.options;
    const [, name, value] = /^([A-Za-z_]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (id !== undefined) {
      found.push({ id, options: new Map() });
      last = undefined;
    } else if (/^\s/.test(line) && last !== undefined) options?.set(last, `${options.get(last)} ${line.trim()}`);
    else if (name !== undefined && value !== undefined) {
      last = name.toLowerCase();
      options?.set(last, maskCredentials(value.trim()));
    }
  }
  return found;
}

/** Words of an option that is a list: parted by blanks or commas. */
export const wordsOf = (value: string | undefined) => (value ?? '').split(/[\s,]+/).filter(Boolean);

/** As libdnf reads a boolean; undefined where it is none. */
export function booleanOf(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (/^(1|yes|true|on)$/i.test(value)) return true;
  return /^(0|no|false|off)$/i.test(value) ? false : undefined;
}
