-- Returns how many live and dead rows PostgreSQL estimates in each table of the service, each partition by itself, and whether
-- autovacuum may look after it. No index: it reads statistics.
select
    state.relname::text as name, state.n_live_tup as live_rows, state.n_dead_tup as dead_rows,
    coalesce(
        not array_to_string(reloptions, ' ') ~* 'autovacuum_enabled=(off|false|no|0)', true
    ) as is_vacuumed
from pg_stat_user_tables as state
join pg_class as relation on relation.oid = state.relid
where state.schemaname = 'rowline'
order by state.relname
