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
carried as (
    update rowline.carried_totals as total
    set
        added = total.added + gone.added,
        claimed = total.claimed + gone.claimed,
        completed = total.completed + gone.completed,
        failed = total.failed + gone.failed,
        removed = total.removed + gone.removed,
        attempts_failed = total.attempts_failed + gone.attempts_failed,
        retried = total.retried + gone.retried,
        released = total.released + gone.released,
        stalled = total.stalled + gone.stalled,
        waits = array(
            select sum(jobs)::bigint
            from (
                select jobs, nth from unnest(total.waits) with ordinality as one (jobs, nth)
                union all
                select moved.sign * one.jobs, one.nth
                from moved
                cross join unnest(moved.total_waits) with ordinality as one (jobs, nth)
            ) as bucket
            group by nth
            order by nth
        ),
        wait_s = total.wait_s + gone.wait_s,
        runs = array(
            select sum(jobs)::bigint
            from (
                select jobs, nth from unnest(total.runs) with ordinality as one (jobs, nth)
                union all
                select moved.sign * one.jobs, one.nth
                from moved
                cross join unnest(moved.total_runs) with ordinality as one (jobs, nth)
            ) as bucket
            group by nth
            order by nth
        ),
        run_s = total.run_s + gone.run_s
    from (
        select
            sum(sign * total_added)::bigint as added, sum(sign * total_claimed)::bigint as claimed,
            sum(sign * total_completed)::bigint as completed, sum(sign * total_failed)::bigint as failed,
            sum(sign * total_removed)::bigint as removed,
            sum(sign * total_attempts_failed)::bigint as attempts_failed,
            sum(sign * total_retried)::bigint as retried, sum(sign * total_released)::bigint as released,
            sum(sign * total_stalled)::bigint as stalled,
            sum(sign * total_wait_s) as wait_s, sum(sign * total_run_s) as run_s
        from moved
        -- As long as there are no more of them, all had names without being given one.
        where (select count(*) from rowline.job_counts) > :most
        having count(*) > 0
    ) as gone
    where is_only
)
select count(*) as queues from moved
