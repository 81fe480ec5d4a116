-- Returns how the database is: how many deltas are not folded, for how long the first of them is not, since when the oldest snapshot is held on this database, as far
-- as this role may see (pg_read_all_stats), and how old the oldest transaction id is. Index: job_deltas_added_by.
with last as (
    :_last_fold
)
select
    (
        :_unfolded
    ) as deltas,
    (
        select extract(epoch from clock_timestamp() - min(at))::double precision from rowline.job_deltas
        where added_by >= (select least(folded_below, (select min(xid) from unnest(in_flight) as xid)) from last)
    ) as fold_age_s,
    (
        select extract(epoch from clock_timestamp() - min(xact_start))::double precision
        from pg_stat_activity
        where datname = current_database() and backend_xmin is not null and pid <> pg_backend_pid()
    ) as oldest_snapshot_s,
    (select age(datfrozenxid) from pg_database where datname = current_database()) as xid_age
