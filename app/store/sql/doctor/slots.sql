-- Returns the replication slots of the server, and how much WAL each holds; null on a standby, or if it holds none. No index:
-- it reads the state of the server.
select
    slot_name::text as name, active as is_active, wal_status,
    case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint end as held_bytes
from pg_replication_slots
order by slot_name
