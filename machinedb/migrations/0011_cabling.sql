-- Cables: what is intended, what LLDP tells, and what a switch port says of the place of the machine behind it.

-- An intended cable. `switch`: lower case, a device's name, a chassis id or a system name. `nic`: a MAC or an interface's name.
create table cable (
  switch text not null,
  port text not null,
  node uuid not null references node (id) on delete cascade,
  nic text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  constraint cable_nic primary key (node, nic)
);
create unique index cable_port on cable (switch, lower(port));

-- A neighbour that an interface of a node hears. `switches` and `ports`: all that it calls itself, lower case.
create table neighbor (
  node uuid not null references node (id) on delete cascade,
  interface text not null,
  mac text,
  switches text[] not null,
  ports text[] not null,
  switch text not null,
  port text not null
);
create index neighbor_node on neighbor (node);
create index neighbor_switches on neighbor using gin (switches);

-- A node whose neighbours or cables have changed since its cabling was looked at. It refers to no row, so that it locks none.
create table cabling_due (
  node uuid primary key
);

-- The place of the machine at a switch port. Ranges as in placement.
create table port_place (
  switch text not null,
  port text not null,
  site text not null,
  rack text not null,
  standing jsonb not null,
  units int4range not null,
  faces int4range not null,
  lanes int4range not null,
  foreign key (site, rack) references rack (site, name)
);
create unique index port_place_port on port_place (switch, lower(port));

-- A rule takes the place that ports tell when at least this part of a node's NICs agree.
alter table approval_rule add column take_place real check (take_place > 0 and take_place <= 1);

-- A node that a rule approved, and that waits for its place.
create table place_wish (
  node uuid primary key references node (id) on delete cascade,
  rule text not null,
  confidence real not null
);
create index finding_cabling on finding ((got ->> 'peer')) where section = 'cabling';
