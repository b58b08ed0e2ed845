-- Which nodes changed in which transaction. What a daemon keeps of the fleet in memory is brought up to date from it: changed is
-- all that its last snapshot did not see, in whatever order the transactions were committed. Unlogged, since it is a hint that costs
-- a reading of everything when it is lost; and because a crash or a failover empties it: after these PostgreSQL may give the number of a
-- transaction to another one.
create unlogged table node_change (
  changed xid8 not null,
  node uuid not null,
  primary key (changed, node)
);

-- The one unbroken time in which node_change tells all. Readers that know another one read everything anew.
create unlogged table node_change_life (
  one boolean primary key default true check (one),
  id uuid not null default gen_random_uuid(),
  -- Changes before it were cleared away.
  since xid8 not null default '0',
  -- What `since` becomes the next time, and since when it stands here.
  mark xid8 not null default pg_snapshot_xmin(pg_current_snapshot()),
  mark_at timestamptz not null default now()
);

create function note_node_now() returns trigger language plpgsql as $$
begin
  insert into node_change select distinct pg_current_xact_id(), node from touched on conflict do nothing;
  return null;
end $$;
create function note_node() returns trigger language plpgsql as $$
begin
  insert into node_change select distinct pg_current_xact_id(), id from touched on conflict do nothing;
  return null;
end $$;
create trigger note_insert after insert on node_now referencing new table as touched for each statement execute function note_node_now();
create trigger note_update after update on node_now referencing new table as touched for each statement execute function note_node_now();
create trigger note_delete after delete on node_now referencing old table as touched for each statement execute function note_node_now();
create trigger note_update after update on node referencing new table as touched for each statement execute function note_node();

-- Lists are pages by id of what fits: each filter has its nodes in that order.
create index node_state on node (state, id);
create index node_now_role_node on node_now (role, node);
create index node_now_site_node on node_now (site, node);
create index node_now_rack_node on node_now (rack, node);
-- The expression is `health` of machinedb/nodes/node-view.ts.
create index node_now_health on node_now ((case
  when observed_at is null then 'unknown'
  when reachable is false then 'unreachable'
  when findings > 0 then 'drifted'
  else 'ok' end), node);
drop index node_now_role;

-- What lists look for by a part of it (q): everything that names a machine, in lower case.
create extension if not exists pg_trgm;
alter table node_now add column search text;
create function search_of_node() returns trigger language plpgsql as $$
begin
  new.search := lower(concat_ws(E'\n', new.node, new.fqdn, new.observed_name, new.serial, new.model, array_to_string(new.macs, E'\n')));
  return new;
end $$;
create trigger search_of_node before insert or update of fqdn, observed_name, serial, model, macs on node_now
  for each row execute function search_of_node();
update node_now set macs = macs;
create index node_now_search on node_now using gin (search gin_trgm_ops);
