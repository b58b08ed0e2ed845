import { z } from 'zod';

/**
 * A backup, within zstd: lines of UTF-8. The first is the head; then for each of its tables, in its order, a line that names
 * the table, its rows as PostgreSQL's COPY writes them (text format: a line a row), the line `\.`, and a line with their
 * number and SHA-256; at last a line with the SHA-256 of all lines before it.
 */
export const head = z.object({
  format: z.literal('machinedb-backup'),
  version: z.literal(1),
  made_at: z.iso.datetime(),
  /** PostgreSQL's major version. */
  postgres: z.int(),
  epoch: z.string(),
  /** Ids of the key-encryption keys that its secrets are sealed with. */
  keks: z.array(z.string()),
  migrations: z.array(z.object({ name: z.string(), digest: z.string() })),
  /** In an order in which each stands after those that it refers to. */
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()) })),
  sequences: z.array(z.object({ name: z.string(), value: z.int(), called: z.boolean() })),
});
export type Head = z.infer<typeof head>;

export const tableStart = z.object({ table: z.string() });
export const tableEnd = z.object({ rows: z.int(), sha256: z.string() });
export const end = z.object({ end: z.literal(true), rows: z.int(), sha256: z.string() });

/** Ends a table's rows: COPY escapes a backslash in data, so that no row is this line. */
export const END_OF_ROWS = '\\.';

/** What is wrong with a file that should be a backup. */
export class BadBackup extends Error {}

/** A part of a backup, as its text stands in SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
