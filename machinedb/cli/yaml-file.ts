import { isMap, isPair, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { exitCodes, Failure } from './failure.ts';
import { plain } from './render.ts';

/**
 * What a YAML (or JSON) file holds, checked against a schema. Throws a Failure that tells all that is wrong, each with its line.
 *
 * @param file name of the file, for messages
 */
export function parseYaml<T extends z.ZodType>(text: string, file: string, schema: T): z.output<T> {
  const lines = new LineCounter();
  // Aliases stay few: a file of a few lines must not become one of gigabytes.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const lineOf = (offset: number) => lines.linePos(offset).line;
  const failed = (wrong: string[]) => new Failure(wrong.join('\n'), exitCodes.usage);
  if (document.errors.length > 0)
    throw failed(document.errors.map(({ message, pos }) => `${file}:${lineOf(pos[0])}: ${plain(message)}`));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw failed([`${file}: ${(error as Error).message}`]);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw failed(
    parsed.error.issues.flatMap((issue) => {
      const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
      const message =
        issue.code === 'unrecognized_keys' ? 'there is no such key here: take it away, or see --help' : issue.message;
      return paths.map(
        (path) =>
          `${file}:${lineOf(placeOf(document.contents, path))}: ${plain(path.map(String).join('.') || 'the file')}: ${plain(message)}`,
      );
    }),
  );
}

/** Where in the text a path is, or as much of it as there is. */
function placeOf(root: Node | null, path: readonly PropertyKey[]): number {
  let at: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const key of path) {
    if (isMap(at)) {
      const pair = at.items.find(
        (item) => isPair(item) && String((item.key as { value?: unknown }).value) === String(key),
      );
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      at = pair.value;
    } else {
      at = (at as { items?: Node[] } | null)?.items?.[Number(key)];
      if (at === undefined) break;
      offset = (at as Node).range?.[0] ?? offset;
    }
  }
  return offset;
}
