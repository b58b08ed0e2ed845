\set k random(1, 1000000000000)
begin;
select pg_advisory_xact_lock(7102, key) from (select distinct hashtext(hint) as key from unnest(array['key:' || :k, 'serial:' || :k, 'mac:' || :k]) as hint order by key) as keys;
insert into nonce_use (nonce, fingerprint, node) values ('n' || :k, 'f' || :k, null) on conflict (nonce) do nothing;
select * from node_key where fingerprint = 'f' || :k;
select node.id, node.hardware from (select node, count(*) as shared from node_hint where hint = any (array['serial:' || :k, 'mac:' || :k]) group by node) as found join node on node.id = found.node where node.state <> 'retired' order by found.shared desc, node.id limit 500;
select pg_advisory_xact_lock(7104, hashtext('pgbench' || :client_id));
select count(*) as waiting from node where level = 'claimed' and claimed_from = 'pgbench' || :client_id and state = 'discovered' and revoked_at is null;
insert into node (hardware, claimed_from) values (jsonb_build_object('serial', :k), 'pgbench' || :client_id) returning id \gset
insert into node_now (node) values (':id');
insert into node_key (fingerprint, node, kind, public_key, status) values ('f' || :k, ':id', 'ed25519', '\x00', 'current') on conflict (fingerprint) do update set status = 'current';
delete from node_hint where node = ':id';
insert into node_hint (hint, node) values ('serial:' || :k, ':id'), ('mac:' || :k, ':id');
select pg_advisory_xact_lock(7100, 1);
select hash from revision where subject = 'node/:id' and side = 'derived' and source = 'server' and section = 'state' and upper_inf(valid);
select min(seq) as seq, min(at) as at from feed_next(2) \gset
update revision set valid = tstzrange(lower(valid), ':at') where subject = 'node/:id' and side = 'derived' and source = 'server' and section = 'state' and upper_inf(valid);
insert into revision (seq, at, subject, side, source, section, data, hash, actor, valid) values (:seq, ':at', 'node/:id', 'derived', 'server', 'state', '{}', 'h', 'node/:id', tstzrange(':at', null));
insert into event (seq, at, kind, subject, actor, data) values (:seq + 1, ':at', 'node.enrolled', 'node/:id', 'node/:id', '{}');
select pg_notify('machinedb_feed', '');
update nonce_use set node = ':id' where nonce = 'n' || :k;
select * from approval_rule;
select state, level, status from node left join node_key on node_key.node = node.id and fingerprint = 'f' || :k where node.id = ':id';
commit;
