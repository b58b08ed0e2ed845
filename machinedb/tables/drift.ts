import type { Generated } from 'kysely';
import type { Expectations } from '../../shared/expectation.ts';
import type { FindingKind, Severity } from '../schema.ts';
import type { Json, OptionalTime, Time } from './columns.ts';

/** How machines differ: from what is wanted, from profiles, from each other; and who knows of it. */
export interface DriftTables {
  saved_group: {
    name: string;
    comment: string | null;
    pattern: Json<Record<string, unknown>>;
    changed_by: string;
    changed_at: Time;
  };
  group_progress: { one: Generated<boolean>; judged_to: string | null };
  finding: {
    id: Generated<number>;
    node: string;
    section: string;
    path: string;
    kind: FindingKind;
    severity: Severity;
    expected: Json;
    got: Json;
    message: string;
    first_seen: Time;
    acknowledged_by: string | null;
    acknowledged_until: OptionalTime;
    acknowledged_reason: string | null;
  };
  profile: {
    name: string;
    model: string | null;
    role: string | null;
    expect: Json<Expectations>;
    description: string | null;
    changed_by: string;
    changed_at: Time;
  };
  profile_due: { model: string | null; role: string | null; judged_to: string };
  trait_set: { digest: string; traits: Json<Record<string, string>> };
  node_trait: { node: string; digest: string };
  trait_cursor: { one: Generated<boolean>; seq: number };
  finding_grace: { kind: FindingKind; seconds: number };
  acknowledgement: {
    id: Generated<number>;
    node: string;
    section: string;
    path: string;
    kind: FindingKind;
    message: string;
    by: string;
    reason: string;
    at: Time;
    until: OptionalTime;
    ended_at: OptionalTime;
    ended: 'expired' | 'changed' | 'mended' | 'replaced' | null;
    told: Generated<boolean>;
  };
}
