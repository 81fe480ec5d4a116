-- Gives names in the labels of metrics to up to :most queues, and takes them from others; :other gets none. Those in which something
-- happened within :active_s are first, and among these who has a name keeps it. What all the others count together stays
-- as it is. Returns how many changed. The caller holds the lock (try_lock). Reads the counts of all queues.
-- Indexes: job_counts_pkey, carried_totals_pkey.
with ranked as (
    select
        queue,
        row_number() over (
            order by
                (active_at > statement_timestamp() - :active_s * interval '1 second') is true desc,
                is_named desc, active_at desc nulls last, queue
        ) <= :most as is_wanted
    from rowline.job_counts
    where queue <> :other
),
moved as (
    update rowline.job_counts as one
    set is_named = ranked.is_wanted
    from ranked
    where one.queue = ranked.queue and one.is_named <> ranked.is_wanted
    returning
        case when one.is_named then 1 else -1 end as sign, one.total_added, one.total_claimed, one.total_completed,
        one.total_failed, one.total_removed, one.total_attempts_failed, one.total_retried, one.total_released,
        one.total_stalled, one.total_waits, one.total_wait_s, one.total_runs, one.total_run_s
),
:_carried
select count(*) as queues from moved
