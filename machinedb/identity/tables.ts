import type { ColumnType, GeneratedAlways } from 'kysely';
import type { Hardware, Level, NodeState } from '../schema.ts';
import type { Candidate } from './verdict.ts';

type KeyStatus = 'pending' | 'current' | 'retired' | 'revoked' | 'rescue';

export interface KeyThen {
  fingerprint: string;
  status: KeyStatus;
}

/** What was before a merge, and what it made: a split restores it. */
export interface Merged {
  /** Of the node that was merged. */
  state: NodeState;
  level: Level;
  keys: KeyThen[];
  /** Of the node that it was merged into, before and after. */
  into: { hardware: Hardware; keys: KeyThen[] };
  hardware: Hardware;
  /** The key that came with the merge, and what it became there; undefined: the other node's own is newer. */
  carried?: KeyThen;
}

export interface QuarantineTable {
  id: GeneratedAlways<number>;
  node: string;
  kind: 'claim' | 'part';
  /** Of a part: kind, serial and model. */
  key: string;
  why: string;
  candidates: ColumnType<Candidate[], string, string>;
  opened_at: ColumnType<Date, Date | undefined, Date>;
  closed_at: ColumnType<Date | null, undefined, Date>;
  decision: ColumnType<Decision | null, undefined, Decision>;
  decided_by: string | null;
  reason: string | null;
}

export type Decision = 'merged' | 'split' | 'resolved';
