-- Returns how many dead rows PostgreSQL estimates in each table of the service, those of partitions under the name of their
-- table. No index: it reads statistics.
select coalesce(parent.relname, one.relname)::text as name, sum(one.n_dead_tup)::bigint as dead_rows
from pg_stat_user_tables as one
left join pg_inherits as inherited on inherited.inhrelid = one.relid
left join pg_class as parent on parent.oid = inherited.inhparent
where one.schemaname = 'rowline'
group by 1
order by 1
