-- The first schema. Every table says in one line what a row of it is.
create extension if not exists btree_gist;

-- One row: what is true of the whole installation. `epoch` names one unbroken history; `origin` tells a restored copy
-- from the original (a restore makes new oids), and a new origin starts a new epoch.
create table fleet (
  one boolean primary key default true check (one),
  epoch text not null,
  origin text not null,
  hold boolean not null default false,
  hold_reason text,
  -- Since when at least one daemon has been listening without a break: liveness is judged against it.
  listening_since timestamptz not null default now(),
  listening_at timestamptz not null default now()
);

-- Revisions and events share this sequence. Only feed_next() draws from it.
create sequence feed_seq as bigint;

-- A version of one section of one subject from one side and source; the open one is now.
create table revision (
  seq bigint primary key,
  at timestamptz not null,
  subject text not null,
  side text not null check (side in ('observed', 'intended', 'derived')),
  source text not null,
  section text not null,
  data jsonb,
  hash text not null,
  actor text not null,
  reason text,
  valid tstzrange not null,
  constraint revision_one_version_at_a_time
    exclude using gist (subject with =, side with =, source with =, section with =, valid with &&)
);
create unique index revision_open on revision (subject, side, source, section) where upper_inf(valid);
create index revision_subject on revision (subject, seq);
create index revision_valid on revision using gist (valid, section);

-- An act, append-only.
create table event (
  seq bigint primary key,
  at timestamptz not null,
  kind text not null,
  subject text not null,
  actor text not null,
  reason text,
  data jsonb not null default '{}'
);
create index event_subject on event (subject, seq);
-- Rare events that tell of many nodes: a read of one node's past looks at all of them.
create index event_site on event (at) where kind = 'site.unreachable';

-- Allocates n places in the one ordered sequence. The advisory lock is taken before seq and at are drawn and is held
-- to the commit, so that a reader which saw seq N has seen everything below N; at never goes back, whatever the clock does.
create function feed_next(n integer) returns table (seq bigint, at timestamptz) language plpgsql as $$
declare
  last timestamptz;
  start timestamptz;
begin
  perform pg_advisory_xact_lock(7100, 1);
  select greatest((select r.at from revision r order by r.seq desc limit 1),
                  (select e.at from event e order by e.seq desc limit 1)) into last;
  start := greatest(clock_timestamp(), coalesce(last + interval '1 microsecond', '-infinity'));
  return query
    select nextval('feed_seq'), start + (i - 1) * interval '1 microsecond' from generate_series(1, n) as i;
end $$;

-- A place where racks stand.
create table site (
  name text primary key,
  description text,
  created_at timestamptz not null default now()
);

create table rack (
  site text not null references site (name),
  name text not null,
  height integer not null check (height between 1 and 100),
  description text,
  created_at timestamptz not null default now(),
  primary key (site, name)
);

create table role (
  name text primary key,
  description text,
  created_at timestamptz not null default now()
);

-- An address range that nodes get addresses from. `site` null: everywhere.
create table network (
  name text primary key,
  site text references site (name),
  cidr cidr not null,
  vlan integer check (vlan between 1 and 4094),
  gateway inet,
  dns inet[] not null default '{}',
  domain text,
  description text,
  created_at timestamptz not null default now(),
  check (gateway is null or gateway << cidr)
);

-- Addresses of a network that are never given out.
create table network_reserved (
  network text not null references network (name) on delete cascade,
  first inet not null,
  last inet not null,
  reason text,
  primary key (network, first),
  check (first <= last)
);

-- The truth of a machine's identity: one row a machine.
create table node (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  state text not null default 'discovered'
    check (state in ('discovered', 'approved', 'installing', 'configuring', 'active', 'maintenance', 'broken', 'retired')),
  state_at timestamptz not null default now(),
  level text not null default 'claimed' check (level in ('seen', 'claimed', 'approved', 'attested')),
  hardware jsonb not null default '{}',
  claimed_from text,
  hold boolean not null default false,
  hold_reason text,
  -- Two copies of one identity were seen: secrets and new intent are withheld until a person decides.
  locked_at timestamptz,
  locked_reason text,
  revoked_at timestamptz
);
create index node_pending on node (claimed_from) where level = 'claimed';

-- A public key of a node. One 'current'; at most one 'pending' that waits for approval.
create table node_key (
  fingerprint text primary key,
  node uuid not null references node (id) on delete cascade,
  kind text not null check (kind in ('ed25519', 'p256')),
  public_key bytea not null,
  status text not null check (status in ('pending', 'current', 'retired', 'revoked')),
  added_at timestamptz not null default now()
);
create unique index node_key_current on node_key (node) where status = 'current';
create unique index node_key_pending on node_key (node) where status = 'pending';
create index node_key_node on node_key (node);

-- Something a machine can be recognised by (uuid:X, serial:X, board:X, mac:X), so that a claim finds its node.
create table node_hint (
  hint text not null,
  node uuid not null references node (id) on delete cascade,
  primary key (hint, node)
);
create index node_hint_node on node_hint (node);

-- What a nonce was used for: the same key gets the same answer again, another key raises an alarm.
create table nonce_use (
  nonce text primary key,
  fingerprint text not null,
  node uuid references node (id) on delete cascade,
  at timestamptz not null default now()
);

-- A boot of a node, and how far its reports have come: replays and reports out of order are told by it.
create table node_boot (
  node uuid not null references node (id) on delete cascade,
  boot_id text not null,
  first_at timestamptz not null default now(),
  last_seq bigint not null default 0,
  digest text,
  primary key (node, boot_id)
);

-- The one projection row of a node: what lists, inventory and boot read. Rebuilt at any time by project().
create table node_now (
  node uuid primary key references node (id) on delete cascade,
  observed jsonb not null default '{}',
  hashes jsonb not null default '{}',
  errors jsonb not null default '{}',
  facts text,
  observed_at timestamptz,
  boot_id text,
  wanted jsonb not null default '{}',
  generation bigint not null default 0,
  signature text,
  signing_key text,
  fqdn text,
  observed_name text,
  site text references site (name),
  rack text,
  unit integer,
  role text references role (name),
  tags text[] not null default '{}',
  mode text not null default 'observe',
  model text,
  serial text,
  uuid text,
  macs text[] not null default '{}',
  findings integer not null default 0,
  reachable boolean,
  reachable_at timestamptz,
  foreign key (site, rack) references rack (site, name)
);
create unique index node_now_fqdn on node_now (fqdn);
create index node_now_role on node_now (role);
create index node_now_rack on node_now (site, rack);
create index node_now_tags on node_now using gin (tags);
create index node_now_macs on node_now using gin (macs);
create index node_now_serial on node_now (serial);

-- Where a node stands; a projection of its placement section that PostgreSQL keeps free of overlaps.
create table placement (
  node uuid primary key references node (id) on delete cascade,
  site text not null,
  rack text not null,
  face text not null check (face in ('front', 'rear', 'both')),
  faces int4range not null,
  units int4range not null,
  foreign key (site, rack) references rack (site, name),
  constraint placement_no_overlap exclude using gist (site with =, rack with =, faces with &&, units with &&)
);

-- A MAC address that an intent names: once in the fleet.
create table intended_mac (
  mac macaddr primary key,
  node uuid not null references node (id) on delete cascade
);
create index intended_mac_node on intended_mac (node);

-- An address given to an interface of a node. It outlives role changes; only a release frees it.
create table allocation (
  address inet primary key,
  network text not null references network (name),
  node uuid references node (id),
  interface text not null,
  label text not null,
  state text not null default 'active' check (state in ('active', 'orphan', 'quarantined')),
  requested boolean not null default false,
  since timestamptz not null default now(),
  until timestamptz,
  check ((state = 'quarantined') = (until is not null))
);
create unique index allocation_of on allocation (node, network, interface, label) where state = 'active';
create index allocation_node on allocation (node);
create index allocation_network on allocation (network, address);

-- One typed difference between wanted and observed, open now.
create table finding (
  id bigint generated always as identity primary key,
  node uuid not null references node (id) on delete cascade,
  section text not null,
  path text not null,
  kind text not null check (kind in ('missing', 'mismatch', 'unexpected', 'unknown')),
  severity text not null check (severity in ('info', 'warning', 'error')),
  expected jsonb,
  got jsonb,
  message text not null,
  first_seen timestamptz not null default now(),
  acknowledged_by text,
  acknowledged_until timestamptz,
  acknowledged_reason text,
  unique (node, section, path)
);

-- When a node was last heard of. Narrow, hot, allowed to lose the last moments in a crash.
create table heartbeat (
  node uuid primary key references node (id) on delete cascade,
  at timestamptz not null,
  lease_ms integer not null,
  boot_id text not null,
  seq bigint not null,
  facts text,
  generation bigint,
  version text
) with (fillfactor = 50);

-- An operator's token. Only its hash is kept.
create table token (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  hash text not null unique,
  scopes text[] not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Lets a machine that cannot PXE boot be approved when it enrols: scoped, expiring, counted.
create table join_token (
  id uuid primary key default gen_random_uuid(),
  hash text not null unique,
  site text references site (name),
  role text references role (name),
  uses_left integer not null check (uses_left >= 0),
  expires_at timestamptz not null,
  created_by text not null,
  created_at timestamptz not null default now()
);

-- Who is approved without a person looking: all conditions given must hold.
create table approval_rule (
  name text primary key,
  serials text[],
  networks cidr[],
  vendor text,
  product text,
  site text references site (name),
  role text references role (name),
  expires_at timestamptz,
  uses_left integer check (uses_left >= 0),
  created_by text not null,
  created_at timestamptz not null default now()
);

-- A secret value, sealed with the key-encryption key `sealed_by` names. Generations live side by side.
create table secret (
  name text not null,
  generation integer not null,
  sealed_by text not null,
  nonce bytea not null,
  sealed bytea not null,
  public jsonb not null default '{}',
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  primary key (name, generation)
);

-- The answer given to a write that named an Idempotency-Key.
create table idempotency (
  actor text not null,
  key text not null,
  request text not null,
  status integer not null,
  reply jsonb,
  at timestamptz not null default now(),
  primary key (actor, key)
);
create index idempotency_at on idempotency (at);
