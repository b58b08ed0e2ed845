import type { ColumnType } from 'kysely';

/** Columns as kysely sees them. `bigint` columns are read as numbers (see db.ts). */
export type Json<T = unknown> = ColumnType<T, string, string>;
export type OptionalJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
export type Time = ColumnType<Date, Date | string | undefined, Date | string>;
export type OptionalTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
