-- A saved pattern over facts. Who belongs to it is in node_now.groups, which the projection keeps.
create table saved_group (
  name text primary key,
  comment text,
  pattern jsonb not null,
  changed_by text not null,
  changed_at timestamptz not null default now()
);

alter table node_now add column groups text[] not null default '{}';
create index node_now_groups on node_now using gin (groups);

-- One row: after a pattern has changed, the last node that was judged by the new ones, in the order of ids; null: all were.
create table group_progress (
  one boolean primary key default true check (one),
  judged_to uuid
);
insert into group_progress default values;
