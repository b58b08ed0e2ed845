import type { System } from '../system.ts';
import { glob } from './glob.ts';

// sshd's own limit of Include in Include.
const deepest = 16;
const mostFiles = 256;

/**
 * Global settings of sshd_config(5), keywords in lower case, every value given in the order of the files. For all but a
 * few keywords (`port`) sshd takes the first. `Include` is followed where it stands; `Match` blocks other than `Match all`
 * say nothing about everyone and are skipped, the last to the end of its file.
 */
export function readSshdConfig(system: System, path: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let files = 0;
  const read = (file: string, depth: number) => {
    if (depth > deepest || ++files > mostFiles) return;
    let forAll = true;
    for (const line of (system.read(file) ?? '').split('\n')) {
      const [keyword, ...values] = words(line);
      const key = keyword?.toLowerCase();
      if (key === undefined || values[0] === undefined) continue;
      if (key === 'match') forAll = values.length === 1 && values[0].toLowerCase() === 'all';
      else if (!forAll) continue;
      else if (key === 'include') {
        for (const pattern of values) for (const each of glob(system, '/etc/ssh', pattern)) read(each, depth + 1);
      } else {
        const before = settings.get(key);
        if (before === undefined) settings.set(key, [values[0]]);
        else before.push(values[0]);
      }
    }
  };
  read(path, 0);
  return settings;
}

// 'Keyword value "a b"' or 'Keyword=value'; '#' begins a comment where a word could begin.
function words(line: string): string[] {
  const found = [...line.replace(/^\s*(\w+)\s*=\s*/, '$1 ').matchAll(/"([^"]*)"|([^\s"]+)/g)];
  const texts = found.map(([, quoted, bare]) => ({ text: quoted ?? bare ?? '', bare: quoted === undefined }));
  const comment = texts.findIndex(({ text, bare }) => bare && text.startsWith('#'));
  return (comment === -1 ? texts : texts.slice(0, comment)).map(({ text }) => text);
}
