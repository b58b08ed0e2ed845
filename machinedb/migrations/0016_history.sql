-- The past of findings: what each was, and when. Triggers write it, so that whoever changes a finding keeps its past.
create table finding_past (
  finding bigint not null,
  node uuid not null,
  -- The row of `finding`.
  data jsonb not null,
  valid tstzrange not null
);
create unique index finding_past_open on finding_past (finding) where upper_inf(valid);
create index finding_past_finding on finding_past (finding);
create index finding_past_node on finding_past (node);
create index finding_past_valid on finding_past using gist (valid);

-- The time of what this transaction changes: that of its last place in the feed, or one of its own between two places.
create function feed_time() returns timestamptz language plpgsql as $$
declare
  said text := nullif(current_setting('machinedb.feed_at', true), '');
  own timestamptz;
begin
  if said is not null then
    return said::timestamptz;
  end if;
  perform pg_advisory_xact_lock(7100, 1);
  select greatest(clock_timestamp(),
                  (select r.at from revision r order by r.seq desc limit 1) + interval '1 microsecond',
                  (select e.at from event e order by e.seq desc limit 1) + interval '1 microsecond') into own;
  perform set_config('machinedb.feed_at', own::text, true);
  return own;
end $$;

-- As before (0001); it also tells feed_time() the time of the last of these places.
create or replace function feed_next(n integer) returns table (seq bigint, at timestamptz) language plpgsql as $$
declare
  last timestamptz;
  start timestamptz;
begin
  perform pg_advisory_xact_lock(7100, 1);
  select greatest((select r.at from revision r order by r.seq desc limit 1),
                  (select e.at from event e order by e.seq desc limit 1)) into last;
  start := greatest(clock_timestamp(), coalesce(last + interval '1 microsecond', '-infinity'));
  perform set_config('machinedb.feed_at', (start + (n - 1) * interval '1 microsecond')::text, true);
  return query
    select nextval('feed_seq'), start + (i - 1) * interval '1 microsecond' from generate_series(1, n) as i;
end $$;

create function finding_keep() returns trigger language plpgsql as $$
declare
  now_at timestamptz := feed_time();
begin
  if tg_op <> 'INSERT' then
    -- What came and went in one transaction, or within a clock that jumped back, was never there.
    delete from finding_past where finding = old.id and upper_inf(valid) and lower(valid) >= now_at;
    update finding_past set valid = tstzrange(lower(valid), now_at) where finding = old.id and upper_inf(valid);
  end if;
  if tg_op <> 'DELETE' then
    insert into finding_past (finding, node, data, valid) values (new.id, new.node, to_jsonb(new), tstzrange(now_at, null));
  end if;
  return null;
end $$;

-- At the end of the transaction: then the feed's lock is held, and the time of the feed is known.
create constraint trigger finding_came after insert on finding deferrable initially deferred
  for each row execute function finding_keep();
create constraint trigger finding_changed after update on finding deferrable initially deferred
  for each row when (old is distinct from new) execute function finding_keep();
create constraint trigger finding_went after delete on finding deferrable initially deferred
  for each row execute function finding_keep();

insert into finding_past (finding, node, data, valid)
  select id, node, to_jsonb(f), tstzrange(first_seen, null) from finding f;

-- Who stood in a rack is asked of wanted states; what may be dropped, by the end of its time.
create index revision_place on revision ((data #>> '{wanted,placement,site}'), (data #>> '{wanted,placement,rack}'))
  where side = 'derived' and section = 'wanted';
create index revision_ended on revision (side, section, upper(valid)) where not upper_inf(valid);
-- Racks of the past are read from their events.
create index event_rack on event (subject, seq) where kind in ('rack.put', 'rack.deleted');

-- How many days closed revisions of a section are kept; without a row they are kept for ever. The section `default` of the
-- observed side is for the observed sections without a row; `findings` of the derived side is the past of findings.
create table retention (
  side text not null check (side in ('observed', 'intended', 'derived')),
  section text not null,
  keep_days real not null check (keep_days > 0),
  primary key (side, section)
);

-- What was dropped by retention: the past of a section is whole from `at` on, and the feed from `seq` on.
create table retention_horizon (
  side text not null,
  section text not null,
  at timestamptz not null,
  seq bigint not null,
  primary key (side, section)
);
