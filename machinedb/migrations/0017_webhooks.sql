-- An endpoint that is told of what happens, in the feed's order. Its secret is in `secret`, as machinedb/webhook/NAME.
create table webhook (
  name text primary key,
  url text not null,
  -- Kinds of events that it is told of, with `*` for any text; revision.SIDE.SECTION for revisions.
  kinds text[] not null,
  description text,
  -- The history that the cursor is of: in a restored copy nothing is sent until a person resumes it.
  epoch text not null,
  -- Place in the feed of the last item that was taken, or is not of its kinds.
  cursor bigint not null,
  state text not null default 'active' check (state in ('active', 'disabled')),
  -- Failed attempts of the item that is next, and when the next attempt is due.
  attempts integer not null default 0,
  next_at timestamptz not null default now(),
  -- The run that sends now; another daemon leaves the endpoint alone until then.
  lease uuid,
  lease_until timestamptz,
  delivered bigint not null default 0,
  delivered_at timestamptz,
  tried_at timestamptz,
  last_status integer,
  last_error text,
  created_by text not null,
  created_at timestamptz not null default now()
);
