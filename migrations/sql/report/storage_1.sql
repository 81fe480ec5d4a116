create view report.storage as
select
    relname::text as "table",
    n_live_tup as rows,
    n_dead_tup as dead_rows,
    pg_table_size(relid) as table_bytes,
    pg_indexes_size(relid) as index_bytes,
    greatest(last_vacuum, last_autovacuum) as vacuumed_at,
    greatest(last_analyze, last_autoanalyze) as analyzed_at
from pg_stat_user_tables
where schemaname = 'rowline';
comment on view report.storage is 'One row a table of Rowline: its size on disk.';
comment on column report.storage."table" is 'text: the table';
comment on column report.storage.rows is 'bigint: rows, as PostgreSQL estimates them';
comment on column report.storage.dead_rows is 'bigint: rows that are not cleaned up yet, estimated too';
comment on column report.storage.table_bytes is 'bigint: bytes of the rows, large values among them';
comment on column report.storage.index_bytes is 'bigint: bytes of the indexes';
comment on column report.storage.vacuumed_at is 'timestamp with time zone: when it was cleaned up last';
comment on column report.storage.analyzed_at is 'timestamp with time zone: when PostgreSQL looked at its contents last';
