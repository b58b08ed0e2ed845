import { sql } from 'kysely';

/** The index is over three characters: of fewer only the beginning of a text can be looked up. */
const PART = 3;
const isShort = (text: string) => [...text].length < PART;

/**
 * Whether what names a node has a text as a part, in whatever case; one of one or two characters: begins with it. PostgreSQL makes
 * both lower case, as it did with the column: JavaScript does it otherwise for letters beyond ASCII.
 */
export function isNamed(text: string) {
  const literal = text.replace(/[\\%_]/g, '\\$&');
  // What names a node stands in lines of the column.
  return isShort(text)
    ? sql<boolean>`(search like lower(${`${literal}%`}) or search like lower(${`%\n${literal}%`}))`
    : sql<boolean>`search like lower(${`%${literal}%`})`;
}

/** The same of the texts themselves. */
export function hasName(names: (string | undefined)[], text: string): boolean {
  const part = text.toLowerCase();
  return names.some((name) => {
    const at = name?.toLowerCase().indexOf(part);
    return at !== undefined && (isShort(text) ? at === 0 : at >= 0);
  });
}
