-- Returns what keeps the dead rows of this database, the oldest first, up to :most: sessions, prepared transactions, slots and
-- standbys. Since when, and the statement, are null where this role may not see them (pg_read_all_stats). This
-- session is not among them, nor are VACUUMs, which keep nothing. No index: it reads the state of the server.
select *
from (
    select
        case when backend_type = 'walsender' then 'standby' else 'session' end as kind,
        application_name::text as name, pid, usename::text as role, state, xact_start as since,
        extract(epoch from clock_timestamp() - xact_start)::double precision as held_s,
        left(query, 1000) as query,
        greatest(age(backend_xmin), age(backend_xid)) as transactions,
        query = '<insufficient privilege>' as is_hidden
    from pg_stat_activity
    where (datname = current_database() or datname is null)
        and (backend_xmin is not null or backend_xid is not null)
        and pid <> pg_backend_pid() and leader_pid is null
        and usesysid is not null  -- autovacuum has none
        and pid not in (select pid from pg_stat_progress_vacuum)
    union all
    select
        'prepared', transaction::text, null, owner::text, null, prepared,
        extract(epoch from clock_timestamp() - prepared)::double precision, null, age(transaction), false
    from pg_prepared_xacts
    where database = current_database()
    union all
    select
        'slot', slot_name::text, active_pid, null, null, null, null, null, greatest(age(xmin), age(catalog_xmin)), false
    from pg_replication_slots
    where (database = current_database() or database is null) and (xmin is not null or catalog_xmin is not null)
) as holder
order by transactions desc, since
limit :most
