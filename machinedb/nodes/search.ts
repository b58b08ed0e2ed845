import { sql } from 'kysely';

/**
 * Whether what names a node has a text as a part, in whatever case. PostgreSQL makes both lower case, as it did with the column:
 * JavaScript does it otherwise for letters beyond ASCII.
 */
export function isNamed(text: string) {
  return sql<boolean>`search like lower(${`%${text.replace(/[\\%_]/g, '\\$&')}%`})`;
}
