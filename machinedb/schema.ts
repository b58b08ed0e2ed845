import type { ColumnType, Generated, GeneratedAlways } from 'kysely';
import type { InstallPhase } from '../shared/api/install-status.ts';
import type { ImageManifest } from '../shared/boot.ts';
import type { Expectations } from '../shared/expectation.ts';
import type { Placement } from '../shared/sections/placement.ts';
import type { BootOnce, Rescue } from './boot/asked.ts';
import type { Merged, QuarantineTable } from './identity/tables.ts';
import type { PartSeenTable } from './parts/tables.ts';

/** The tables of migrations/, as kysely sees them. `bigint` columns are read as numbers (see db.ts). */
type Json<T = unknown> = ColumnType<T, string, string>;
type OptionalJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
type Time = ColumnType<Date, Date | string | undefined, Date | string>;
type OptionalTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;

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

export interface Database {
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
  site: { name: string; description: string | null; created_at: Time };
  rack: {
    site: string;
    name: string;
    height: number;
    description: string | null;
    created_at: Time;
    descending: Generated<boolean>;
    room: string | null;
    row_name: string | null;
    position: number | null;
  };
  room: { site: string; name: string; description: string | null; created_at: Time };
  room_row: { site: string; room: string; name: string };
  device: {
    site: string;
    name: string;
    kind: DeviceKind;
    chassis_id: string | null;
    description: string | null;
    created_at: Time;
  };
  power_feed: {
    site: string;
    rack: Generated<string>;
    rack_of_site: GeneratedAlways<string | null>;
    name: string;
    rating_w: number;
    pdu: string | null;
    upstream_rack: string | null;
    upstream: string | null;
  };
  cable: { switch: string; port: string; node: string; nic: string; created_by: string; created_at: Time };
  cabling_due: { node: string };
  place_wish: { node: string; rule: string; confidence: number };
  nameplate: { model: string; draw_w: number; description: string | null };
  role: { name: string; description: string | null; created_at: Time };
  network: {
    key: GeneratedAlways<string>;
    name: string;
    site: string | null;
    rack: string | null;
    cidr: string;
    vlan: number | null;
    gateway: string | null;
    dns: string[];
    domain: string | null;
    description: string | null;
    created_at: Time;
  };
  network_reserved: { network: string; first: string; last: string; reason: string | null };
  node: {
    id: Generated<string>;
    created_at: Time;
    state: Generated<NodeState>;
    state_at: Time;
    level: Generated<Level>;
    hardware: Json<Hardware>;
    claimed_from: string | null;
    hold: Generated<boolean>;
    hold_reason: string | null;
    locked_at: OptionalTime;
    locked_reason: string | null;
    revoked_at: OptionalTime;
    reinstall: Generated<number>;
    installed: Generated<number>;
    install_request: OptionalJson<InstallRequest>;
    install_progress: OptionalJson<InstallProgress>;
    starts_disk: Generated<boolean>;
    rescue: OptionalJson<Rescue>;
    rescue_until: OptionalTime;
    boot_once: OptionalJson<BootOnce>;
    waits_to_apply: Generated<boolean>;
    merged_into: string | null;
    merged: OptionalJson<Merged>;
    parts_built: Generated<boolean>;
  };
  quarantine: QuarantineTable;
  node_apart: { a: string; b: string };
  part_seen: PartSeenTable;
  node_key: {
    fingerprint: string;
    node: string;
    kind: 'ed25519' | 'p256';
    public_key: Buffer;
    status: 'pending' | 'current' | 'retired' | 'revoked' | 'rescue';
    added_at: Time;
  };
  node_hint: { hint: string; node: string };
  nonce_use: { nonce: string; fingerprint: string; node: string | null; at: Time };
  node_boot: { node: string; boot_id: string; first_at: Time; last_seq: number; digest: string | null };
  node_now: {
    node: string;
    observed: Json<Record<string, unknown>>;
    hashes: Json<Record<string, string>>;
    errors: Json<Record<string, string>>;
    facts: string | null;
    observed_at: OptionalTime;
    boot_id: string | null;
    wanted: Json<Record<string, unknown>>;
    generation: Generated<number>;
    signature: string | null;
    signing_key: string | null;
    fqdn: string | null;
    observed_name: string | null;
    site: string | null;
    rack: string | null;
    unit: number | null;
    role: string | null;
    tags: Generated<string[]>;
    groups: Generated<string[]>;
    mode: Generated<string>;
    model: string | null;
    serial: string | null;
    uuid: string | null;
    macs: Generated<string[]>;
    findings: Generated<number>;
    reachable: boolean | null;
    reachable_at: OptionalTime;
  };
  site_outage: { site: string; since: Time; nodes: string[]; returning_since: OptionalTime };
  saved_group: {
    name: string;
    comment: string | null;
    pattern: Json<Record<string, unknown>>;
    changed_by: string;
    changed_at: Time;
  };
  group_progress: { one: Generated<boolean>; judged_to: string | null };
  rollout: {
    role: string;
    slots: Generated<number>;
    stop_after: Generated<number>;
    change: string | null;
    changed_by: string | null;
    changed_reason: string | null;
    changed_at: OptionalTime;
    stopped_at: OptionalTime;
    stopped_reason: string | null;
  };
  rollout_turn: {
    node: string;
    role: string;
    generation: number;
    state: Generated<TurnState>;
    at: Time;
    reason: string | null;
    counts: Generated<boolean>;
  };
  apply_slot: { node: string; role: string; generation: number; since: Time; until: Time };
  seed: {
    node: string;
    provision: number;
    opened_at: Time;
    boot: string;
    phoned_at: OptionalTime;
    phoned: OptionalJson<PhonedHome>;
    phoned_digest: string | null;
  };
  seed_secret: { node: string; provision: number; name: string; secret: string; generation: number; at: Time };
  placement: {
    node: string | null;
    device: string | null;
    site: string;
    rack: string;
    face: 'front' | 'rear' | 'both';
    faces: string;
    units: string;
    lanes: Generated<string>;
    part: Placement['part'] | null;
    side: Placement['side'] | null;
    feeds: string[] | null;
    draw_w: number | null;
  };
  intended_mac: { mac: string; node: string };
  allocation: {
    address: string;
    network: string;
    node: string | null;
    interface: string;
    label: string;
    state: Generated<'active' | 'orphan' | 'quarantined'>;
    requested: Generated<boolean>;
    since: Time;
    until: OptionalTime;
  };
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
  heartbeat: {
    node: string;
    at: Time;
    lease_ms: number;
    boot_id: string;
    seq: number;
    facts: string | null;
    generation: number | null;
    version: string | null;
  };
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
  node_said: { node: string; boot_id: string; n: number; at: Time };
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
  profile: {
    name: string;
    model: string | null;
    role: string | null;
    expect: Json<Expectations>;
    description: string | null;
    changed_by: string;
    changed_at: Time;
  };
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
