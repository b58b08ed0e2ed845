-- What is expected of the hardware of a model, a role, or a model in a role. Its nodes are those that fit both.
create table profile (
  name text primary key,
  model text,
  role text references role (name),
  expect jsonb not null,
  description text,
  changed_by text not null,
  changed_at timestamptz not null default now(),
  check (model is not null or role is not null)
);

-- What machines that are alike can be compared by, once per distinct content, and which of them each node has now.
create table trait_set (
  digest text primary key,
  traits jsonb not null
);
create table node_trait (
  node uuid primary key references node (id) on delete cascade,
  digest text not null references trait_set (digest)
);
create index node_trait_digest on node_trait (digest);
-- How far the feed has been read for it.
create table trait_cursor (
  one boolean primary key default true check (one),
  seq bigint not null default 0
);
insert into trait_cursor default values;

-- How long a finding of a kind may be there before it is alarmed, seconds.
create table finding_grace (
  kind text primary key check (kind in ('missing', 'mismatch', 'unexpected', 'unknown')),
  seconds integer not null check (seconds >= 0)
);

-- Each acknowledgement that there was, and how it ended; `told`: its end is in the feed.
create table acknowledgement (
  id bigint generated always as identity primary key,
  node uuid not null references node (id) on delete cascade,
  section text not null,
  path text not null,
  kind text not null,
  message text not null,
  by text not null,
  reason text not null,
  at timestamptz not null default now(),
  until timestamptz,
  ended_at timestamptz,
  ended text check (ended in ('expired', 'changed', 'mended', 'replaced')),
  told boolean not null default false,
  check ((ended_at is null) = (ended is null))
);
insert into acknowledgement (node, section, path, kind, message, by, reason, until)
  select node, section, path, kind, message, acknowledged_by, coalesce(acknowledged_reason, ''), acknowledged_until
  from finding where acknowledged_by is not null;
create unique index acknowledgement_open on acknowledgement (node, section, path) where ended_at is null;
create index acknowledgement_untold on acknowledgement (id) where ended_at is not null and not told;
