-- The totals of queues without a name that leave that number, by the rows of `moved`: `sign` is 1 if their totals are
-- carried from now on, -1 if they are not any more.
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
