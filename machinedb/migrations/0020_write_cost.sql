-- As before (0019), but what is looked in is made anew only when it changes: most updates name these columns and leave them as they are.
create or replace function search_of_node() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (new.fqdn, new.observed_name, new.serial, new.model, new.macs)
      is not distinct from (old.fqdn, old.observed_name, old.serial, old.model, old.macs) and old.search is not null then
    return new;
  end if;
  new.search := lower(concat_ws(E'\n', new.node, new.fqdn, new.observed_name, new.serial, new.model, array_to_string(new.macs, E'\n')));
  return new;
end $$;
