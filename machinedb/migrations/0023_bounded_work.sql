-- A model, a role, or both of whose nodes a profile has changed, and the last node, in the order of ids, that was judged since.
-- The row goes when all were.
create table profile_due (
  model text,
  role text,
  judged_to uuid not null,
  unique nulls not distinct (model, role)
);

-- How many nodes are unreachable (/metrics), without reading all of them.
create index node_now_unreachable on node_now (node) where reachable is false;
