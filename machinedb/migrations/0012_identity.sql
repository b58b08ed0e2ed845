-- Who a machine is when that is in doubt, and parts with a history of their own.

-- A node that turned out to be another one: its history stays under its own id and points there. `merged` is what a
-- split needs to undo it.
alter table node
  add column merged_into uuid references node (id),
  add column merged jsonb,
  add constraint node_merged check ((merged_into is null) = (merged is null) and merged_into <> id);
create index node_merged_into on node (merged_into) where merged_into is not null;

-- A doubt about who is who, for a person to decide: a claim that could be several nodes or contradicts one, or a part that
-- two nodes report. `key` names the part.
create table quarantine (
  id bigint generated always as identity primary key,
  node uuid not null references node (id) on delete cascade,
  kind text not null check (kind in ('claim', 'part')),
  key text not null default '',
  why text not null,
  -- The nodes that it may be, each with its score and what that is made of.
  candidates jsonb not null,
  opened_at timestamptz not null default clock_timestamp(),
  closed_at timestamptz,
  decision text check (decision in ('merged', 'split', 'resolved')),
  decided_by text,
  reason text,
  check ((closed_at is null) = (decision is null))
);
create unique index quarantine_open on quarantine (node, kind, key) where closed_at is null;
create index quarantine_node on quarantine (node);

-- Two nodes of which a person has said that they are two machines, the smaller id first.
create table node_apart (
  a uuid not null references node (id) on delete cascade,
  b uuid not null references node (id) on delete cascade,
  primary key (a, b),
  check (a < b)
);
create index node_apart_b on node_apart (b);

-- When a part (a memory module, GPU, network port or disk) was in a slot of a node, by the node's own reports. A
-- projection of revisions, written with them: rebuildParts() makes the same rows.
create table part_seen (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('dimm', 'gpu', 'nic', 'disk')),
  serial text not null,
  -- Part number, else maker; empty when nothing tells. Serial numbers are unique only within it.
  model text not null,
  node uuid not null references node (id) on delete cascade,
  slot text not null,
  since timestamptz not null,
  until timestamptz,
  -- Once at a time in a slot.
  constraint part_seen_once unique nulls not distinct (node, kind, serial, model, slot, until)
);
create index part_seen_part on part_seen (serial, kind, model);

-- Nodes that were there before parts were followed: a background task reads their revisions once.
alter table node add column parts_built boolean not null default false;
alter table node alter column parts_built set default true;
create index node_parts on node (id) where not parts_built;
