-- A network's name may mean another range in a site or a rack. `key` is one row: NAME, SITE:NAME or SITE:RACK:NAME. What
-- addresses and reserved ranges name is a key from here on.
alter table allocation drop constraint allocation_network_fkey;
alter table network_reserved drop constraint network_reserved_network_fkey;
alter table network drop constraint network_pkey;
alter table network
  add column rack text,
  add column key text generated always as (coalesce(site || ':', '') || coalesce(rack || ':', '') || name) stored,
  add primary key (key),
  add constraint network_rack_fkey foreign key (site, rack) references rack (site, name),
  add constraint network_rack_of_site check (rack is null or site is not null);
create index network_name on network (name);
update allocation a set network = n.key from network n where n.name = a.network and n.key <> n.name;
update network_reserved r set network = n.key from network n where n.name = r.network and n.key <> n.name;
alter table allocation add constraint allocation_network_fkey foreign key (network) references network (key);
alter table network_reserved
  add constraint network_reserved_network_fkey foreign key (network) references network (key) on delete cascade;
