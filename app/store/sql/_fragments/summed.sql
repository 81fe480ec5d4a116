-- What the deltas of the CTE `taken` say of each queue: how they change its counts, and what happened to its jobs.
-- The sum of a delta is positive if jobs were added, and negative if they were removed. No statement does both, or ends
-- some jobs and makes others that had ended ready again. Active jobs that go at once (`complete_and_remove`) completed.
-- Jobs that an undo brought back were added, and ended, before. Nothing but a claim makes jobs active.
-- `waits` and `runs` are how many jobs waited and ran how long, by buckets (`app/domain/durations.py`); null: of none it is told.
select
    changes.*,
    case when wait_letters is not null then array(
        select octet_length(wait_letters) - octet_length(replace(wait_letters, chr(letter), ''))
        from generate_series(ascii('a'), ascii('x')) as letter
        order by letter
    ) end as waits,
    case when run_letters is not null then array(
        select octet_length(run_letters) - octet_length(replace(run_letters, chr(letter), ''))
        from generate_series(ascii('a'), ascii('x')) as letter
        order by letter
    ) end as runs
from (
    select
        queue,
        sum(waiting) as waiting, sum(prioritized) as prioritized, sum(delayed) as delayed, sum(active) as active,
        sum(waiting_children) as waiting_children, sum(completed) as completed, sum(failed) as failed,
        sum(case
            when is_restored then 0
            else greatest(waiting + prioritized + delayed + active + waiting_children + completed + failed, 0)
        end) as newly_added,
        sum(case
            when is_restored then 0
            when waiting + prioritized + delayed + active + waiting_children + completed + failed < 0
                then greatest(- active, 0)
            else greatest(completed, 0)
        end) as newly_completed,
        sum(case when is_restored then 0 else greatest(failed, 0) end) as newly_failed,
        sum(greatest(active, 0)) as newly_claimed,
        sum(greatest(-(waiting + prioritized + delayed + active + waiting_children + completed + failed), 0))
            as newly_removed,
        sum(case when verb = 'fail' then - active else 0 end) as newly_attempts_failed,
        sum(case when verb = 'retry_later' then - active else 0 end) as newly_retried,
        sum(case when verb = 'release' then - active else 0 end) as newly_released,
        sum(case when verb = 'recover_stalled' then - active else 0 end) as newly_stalled,
        string_agg(durations, '') filter (where verb = 'claim') as wait_letters,
        coalesce(sum(durations_s::double precision) filter (where verb = 'claim'), 0) as wait_s,
        string_agg(durations, '') filter (where verb <> 'claim') as run_letters,
        coalesce(sum(durations_s::double precision) filter (where verb <> 'claim'), 0) as run_s
    from taken
    group by queue
) as changes
