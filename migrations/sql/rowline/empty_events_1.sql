-- Empties one partition of the events, the oldest ones, before new ones are put there. The run-time role, which may not
-- truncate a table, calls it; so it runs with its owner's rights. It waits for who reads that partition, by lock_timeout.

create or replace function rowline.empty_events(slot smallint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('truncate only rowline.%I', 'events_' || empty_events.slot);
end
$$;
comment on function rowline.empty_events(smallint) is 'Empties a partition of the events.';
