-- Rooms, rows, devices that are no machines, parts of a unit's width, and power.

-- A room of a site, and the rows in which racks stand in it.
create table room (
  site text not null references site (name),
  name text not null,
  description text,
  created_at timestamptz not null default now(),
  primary key (site, name)
);
create table room_row (
  site text not null,
  room text not null,
  name text not null,
  primary key (site, room, name),
  foreign key (site, room) references room (site, name) on delete cascade
);

-- `descending`: unit 1 is the uppermost. `position`: place within the row.
alter table rack
  add column descending boolean not null default false,
  add column room text,
  add column row_name text,
  add column position integer,
  add constraint rack_room_fkey foreign key (site, room) references room (site, name),
  add constraint rack_row_fkey foreign key (site, room, row_name) references room_row (site, room, name),
  add constraint rack_row_of_room check (row_name is null or room is not null);

-- What stands in a rack and is no machine. `chassis_id`: what it calls itself by LLDP.
create table device (
  site text not null references site (name),
  name text not null,
  kind text not null check (kind in ('switch', 'pdu', 'patch-panel', 'blanking-panel', 'other')),
  chassis_id text,
  description text,
  created_at timestamptz not null default now(),
  primary key (site, name)
);
create unique index device_chassis_id on device (chassis_id);

-- A place is a machine's or a device's. `lanes` are twelfths of the width from the left (1 to 12); 0 and 13 are the sides
-- beside the units. What hangs along a whole side has units without end.
alter table placement
  drop constraint placement_pkey,
  drop constraint placement_no_overlap,
  alter column node drop not null,
  add column device text,
  add column lanes int4range not null default '[1,12]',
  add column part text,
  add column side text check (side in ('left', 'right')),
  add column feeds text[],
  add column draw_w integer,
  add constraint placement_node unique (node),
  add constraint placement_device unique (site, device),
  add constraint placement_device_fkey foreign key (site, device) references device (site, name) on delete cascade,
  add constraint placement_of_one check (num_nonnulls(node, device) = 1),
  add constraint placement_no_overlap
    exclude using gist (site with =, rack with =, lanes with &&, faces with &&, units with &&);

-- What power flows through: a feed of a rack, or of a site (rack ''), which feeds others.
create table power_feed (
  site text not null references site (name),
  rack text not null default '',
  rack_of_site text generated always as (nullif(rack, '')) stored,
  name text not null,
  rating_w integer not null check (rating_w > 0),
  pdu text,
  upstream_rack text,
  upstream text,
  primary key (site, rack, name),
  constraint power_feed_rack_fkey foreign key (site, rack_of_site) references rack (site, name),
  constraint power_feed_pdu_fkey foreign key (site, pdu) references device (site, name),
  constraint power_feed_upstream_fkey foreign key (site, upstream_rack, upstream) references power_feed (site, rack, name),
  check ((upstream is null) = (upstream_rack is null))
);

-- What a model draws, as its nameplate says.
create table nameplate (
  model text primary key,
  draw_w integer not null check (draw_w >= 0),
  description text
);

-- A rack's past is read from the places that nodes were given and from the acts on devices.
create index revision_placement on revision ((data ->> 'site'), (data ->> 'rack'))
  where side = 'intended' and section = 'placement';
create index event_device on event (subject, seq) where kind in ('device.put', 'device.deleted');
