import type { Generated } from 'kysely';
import type { InstallPhase } from '../shared/api/install-status.ts';
import type { ImageManifest } from '../shared/boot.ts';
import type { Json, OptionalTime, Time } from './tables/columns.ts';
import type { DriftTables } from './tables/drift.ts';
import type { NodeTables } from './tables/nodes.ts';
import type { PlaceTables } from './tables/places.ts';

export type NodeState =
  | 'discovered'
  | 'approved'
  | 'installing'
  | 'configuring'
  | 'active'
  | 'maintenance'
  | 'broken'
  | 'retired';
export type Level = 'seen' | 'claimed' | 'approved' | 'attested';
export type DeviceKind = 'switch' | 'pdu' | 'patch-panel' | 'blanking-panel' | 'other';
export type Side = 'observed' | 'intended' | 'derived';
export type FindingKind = 'missing' | 'mismatch' | 'unexpected' | 'unknown';
export type TurnState = 'waiting' | 'staged' | 'applied' | 'undone' | 'failed';
export type Severity = 'info' | 'warning' | 'error';

export interface InstallRequest {
  image: string;
  wipe: boolean;
  by: string;
  reason: string;
  at: string;
}

export interface InstallProgress {
  generation: number;
  phase: InstallPhase;
  percent?: number | undefined;
  disk?: string | undefined;
  message?: string | undefined;
  /** How often it was begun. */
  attempts: number;
  at: string;
}

/** What cloud-init told at the end of a first boot; what it did not know is absent. */
export interface PhonedHome {
  hostname?: string | undefined;
  fqdn?: string | undefined;
  /** Type, as ssh-ed25519 → public key line without comment. */
  host_keys: Record<string, string>;
}

/** The tables of migrations/, as kysely sees them. */
export interface Database extends DriftTables, NodeTables, PlaceTables {
  image: {
    name: string;
    kind: 'discovery' | 'disk';
    manifest: Json<ImageManifest>;
    signature: string;
    signing_key: string;
    created_by: string;
    created_at: Time;
  };
  fleet: {
    one: Generated<boolean>;
    epoch: string;
    origin: string;
    hold: Generated<boolean>;
    hold_reason: string | null;
    listening_since: Time;
    listening_at: Time;
    silent_since: OptionalTime;
  };
  revision: {
    seq: number;
    at: Time;
    subject: string;
    side: Side;
    source: string;
    section: string;
    data: Json;
    hash: string;
    actor: string;
    reason: string | null;
    valid: string;
  };
  event: {
    seq: number;
    at: Time;
    kind: string;
    subject: string;
    actor: string;
    reason: string | null;
    data: Json<Record<string, unknown>>;
  };
  role: { name: string; description: string | null; created_at: Time };
  token: {
    id: Generated<string>;
    name: string;
    hash: string;
    scopes: string[];
    created_by: string;
    created_at: Time;
    expires_at: OptionalTime;
    revoked_at: OptionalTime;
  };
  join_token: {
    id: Generated<string>;
    hash: string;
    site: string | null;
    role: string | null;
    uses_left: number;
    expires_at: Time;
    created_by: string;
    created_at: Time;
  };
  relay: {
    id: Generated<string>;
    name: string;
    site: string;
    hash: string;
    created_by: string;
    created_at: Time;
    seen_at: OptionalTime;
    revoked_at: OptionalTime;
  };
  approval_rule: {
    name: string;
    serials: string[] | null;
    networks: string[] | null;
    vendor: string | null;
    product: string | null;
    site: string | null;
    role: string | null;
    expires_at: OptionalTime;
    uses_left: number | null;
    take_place: number | null;
    created_by: string;
    created_at: Time;
  };
  secret: {
    name: string;
    generation: number;
    sealed_by: string;
    nonce: Buffer;
    sealed: Buffer;
    public: Json<Record<string, unknown>>;
    created_at: Time;
    retired_at: OptionalTime;
  };
  webhook: {
    name: string;
    url: string;
    kinds: string[];
    description: string | null;
    epoch: string;
    cursor: number;
    state: Generated<'active' | 'disabled'>;
    attempts: Generated<number>;
    next_at: Time;
    lease: string | null;
    lease_until: OptionalTime;
    delivered: Generated<number>;
    delivered_at: OptionalTime;
    tried_at: OptionalTime;
    last_status: number | null;
    last_error: string | null;
    created_by: string;
    created_at: Time;
  };
  idempotency: { actor: string; key: string; request: string; status: number; reply: Json; at: Time };
}

/** What a machine says of itself when it enrols: hints for matching, never credentials. */
export interface Hardware {
  uuid?: string;
  serial?: string;
  board_serial?: string;
  chassis_serial?: string;
  vendor?: string;
  product?: string;
  macs?: string[];
  /** Memory modules as `PART SERIAL`, or the serial alone. */
  dimms?: string[];
  /** The node whose identity was on its disk when the disk came from other hardware. */
  disk?: string;
  hostname?: string;
}
