-- What cloud-init on nodes gets, and what it tells.

-- One first boot of a node: of what was installed by its install number `provision` (0: what was there before MachineDB).
create table seed (
  node uuid not null references node (id) on delete cascade,
  provision bigint not null,
  opened_at timestamptz not null default clock_timestamp(),
  -- Digest of the boot id that documents were last asked for from: tokens of other boots are void.
  boot text not null,
  phoned_at timestamptz,
  -- What cloud-init told at its end: {hostname, fqdn, host_keys: {type: line}}, and a digest of it.
  phoned jsonb,
  phoned_digest text,
  primary key (node, provision)
);

-- A secret that was handed out: once per first boot and generation of the secret.
create table seed_secret (
  node uuid not null,
  provision bigint not null,
  name text not null,
  secret text not null,
  generation integer not null,
  at timestamptz not null default clock_timestamp(),
  primary key (node, provision, secret, generation),
  foreign key (node, provision) references seed (node, provision) on delete cascade
);

-- The addresses that a node has or is to have, without prefix lengths.
create function node_addresses(observed jsonb, wanted jsonb) returns text[] language sql immutable parallel safe as $$
  select coalesce(array_agg(distinct split_part(key #>> '{}', '/', 1)), '{}')
  from (values (observed), (wanted)) as side(data),
    jsonb_path_query(data, '$.network.interfaces.*.addresses.keyvalue().key', '{}', true) as key
$$;
create index node_now_addresses on node_now using gin (node_addresses(observed, wanted));
