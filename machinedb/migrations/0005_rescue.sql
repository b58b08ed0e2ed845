-- Rescue: the discovery image with SSH for one operator, until a time; and the way of one boot that a person asks for.
alter table node
  -- Who is let in: {operator, key, by, reason, at, host: {address, fingerprint}}.
  add column rescue jsonb,
  add column rescue_until timestamptz,
  -- {target, by, reason, at, until, boot_id}: the last one is the boot that the node was in when it was asked for.
  add column boot_once jsonb,
  add constraint node_rescue check ((rescue is null) = (rescue_until is null));
create index node_rescue_until on node (rescue_until) where rescue_until is not null;

-- The key of a machine in rescue lives beside its node's own, opens nothing but the rescue, and goes with it.
alter table node_key drop constraint node_key_status_check;
alter table node_key
  add constraint node_key_status_check check (status in ('pending', 'current', 'retired', 'revoked', 'rescue'));
create unique index node_key_rescue on node_key (node) where status = 'rescue';
