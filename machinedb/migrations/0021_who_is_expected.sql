-- Every round of the background tasks asks of each node whether somebody waits for it, where it stands and whether it was last
-- reachable: by index alone (machinedb/watch/liveness.ts), not by reading the rows, which have all that is known of a node.
create index node_expected on node (id) where revoked_at is null and state <> 'retired';
-- What reachable is may be told by node_now_health already: no write costs more.
drop index node_now_site_node;
create index node_now_site_node on node_now (site, node) include (reachable);
