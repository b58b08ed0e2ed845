import type { ColumnType, GeneratedAlways } from 'kysely';

export type PartKind = 'dimm' | 'gpu' | 'nic' | 'disk';

export interface PartSeenTable {
  id: GeneratedAlways<number>;
  kind: PartKind;
  serial: string;
  /** Part number, else maker; empty when nothing tells. Serial numbers are unique only within it. */
  model: string;
  node: string;
  slot: string;
  since: ColumnType<Date, Date, Date>;
  until: ColumnType<Date | null, Date | null | undefined, Date>;
}
