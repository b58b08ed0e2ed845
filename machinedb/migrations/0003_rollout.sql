-- A changed intent reaches the nodes of a role in slots.

-- How the newest change reaches the nodes of a role: so many at a time, stopped after so many roll-backs. Made when the
-- first change comes. `role` '-': nodes without a role.
create table rollout (
  role text primary key,
  slots integer not null default 5 check (slots between 1 and 10000),
  stop_after integer not null default 3 check (stop_after between 1 and 10000),
  -- The newest change: what of, by whom, why.
  change text,
  changed_by text,
  changed_reason text,
  changed_at timestamptz,
  stopped_at timestamptz,
  stopped_reason text
);

-- What has become of that change on one node.
create table rollout_turn (
  node uuid primary key references node (id) on delete cascade,
  role text not null references rollout (role) on delete cascade,
  generation bigint not null,
  -- 'staged': it is done at the node's next boot.
  state text not null default 'waiting' check (state in ('waiting', 'staged', 'applied', 'undone', 'failed')),
  at timestamptz not null default clock_timestamp(),
  reason text,
  -- This roll-back counts towards the stop: no person has resumed the roll-out since.
  counts boolean not null default true
);
create index rollout_turn_role on rollout_turn (role, state);

-- A node that applies now, and until when it must have told what came of it.
create table apply_slot (
  node uuid primary key references node (id) on delete cascade,
  role text not null references rollout (role) on delete cascade,
  generation bigint not null,
  since timestamptz not null default clock_timestamp(),
  until timestamptz not null
);
create index apply_slot_role on apply_slot (role);

-- It asked to apply and was told to wait: its heartbeats are answered with a hint once it may.
alter table node add column waits_to_apply boolean not null default false;
