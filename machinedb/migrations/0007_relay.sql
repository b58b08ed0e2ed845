-- Boot services of racks that stand apart, each with a credential for the nodes of one site. A name may be used again when the
-- relay that had it was revoked.
create table relay (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  site text not null references site (name),
  hash text not null unique,
  created_by text not null,
  created_at timestamptz not null default now(),
  seen_at timestamptz,
  revoked_at timestamptz
);
create unique index relay_name on relay (name) where revoked_at is null;

-- The last word of each boot of a node that a relay brought later: what came is not taken twice.
create table node_said (
  node uuid not null references node (id) on delete cascade,
  boot_id text not null,
  n bigint not null,
  at timestamptz not null default now(),
  primary key (node, boot_id)
);
