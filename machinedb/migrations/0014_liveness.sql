-- Since when no node at all has been heard, though some should be: then it is the service that is looked at first.
alter table fleet add column silent_since timestamptz;

-- A site that fell silent as a whole and has not come back; nodes: those that fell silent with it; returning_since: so few of
-- them are still silent that it is no longer the site, as soon as they had time to come back, too.
create table site_outage (
  site text primary key references site (name) on delete cascade,
  since timestamptz not null default now(),
  nodes uuid[] not null,
  returning_since timestamptz
);

-- Rare events that tell of many nodes, as event_site: what followed when a site had fallen silent.
create index event_site_after on event (at) where kind in ('site.silent', 'site.heard', 'site.reachable');
