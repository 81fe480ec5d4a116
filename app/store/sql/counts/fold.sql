-- Adds deltas to the counts of their queues, up to :limit, and publishes the events that they tell; returns how many
-- there were, and how many rows of events. They are taken in the order of their moments: who changes a job after another
-- does so after the other's commit, and reads the clock later, so that what is taken of a job are its first changes.
-- Also returns the queues in which jobs became ready, if they have ready ones: their wake-ups may have been lost.
-- Adds what they tell of jobs to the current minute of their queues, and to the totals, with how long jobs waited and ran.
-- The caller holds the lock (try_lock). If it folded all deltas of its snapshot, it marks the snapshot as folded.
-- Indexes: job_deltas_added_by, job_counts_pkey, job_folds_pkey, job_minutes_pkey.
with last as (
    :_last_fold
),
taken as (
    delete from rowline.job_deltas
    where ctid = any(array(
        select place
        from (
            select ctid as place, at from rowline.job_deltas
            where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last)
            union all
            select ctid, at from rowline.job_deltas
            where added_by >= (select folded_below from last)
        ) as found
        order by at nulls first
        limit :limit
    ))
    returning
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, is_restored, verb, at,
        numbers, worker, details, durations, durations_s
),
summed as (
    :_summed
),
folded as (
    insert into rowline.job_counts as existing (
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed,
        total_added, total_claimed, total_completed, total_failed, total_removed,
        total_attempts_failed, total_retried, total_released, total_stalled,
        total_waits, total_wait_s, total_runs, total_run_s, active_at
    )
    select
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed,
        newly_added, newly_claimed, newly_completed, newly_failed, newly_removed,
        newly_attempts_failed, newly_retried, newly_released, newly_stalled,
        waits, wait_s, runs, run_s, statement_timestamp()
    from summed
    on conflict (queue) do update
    set
        waiting = existing.waiting + excluded.waiting,
        prioritized = existing.prioritized + excluded.prioritized,
        delayed = existing.delayed + excluded.delayed,
        active = existing.active + excluded.active,
        waiting_children = existing.waiting_children + excluded.waiting_children,
        completed = existing.completed + excluded.completed,
        failed = existing.failed + excluded.failed,
        :_totals
    returning queue, waiting + prioritized as ready
),
minutes as (
    :_minutes
),
drained as (
    select queue from folded
    where ready <= 0 and (queue in (select queue from taken where waiting + prioritized < 0)) is true
),
:_published
,
whole as (
    select count(*) between 1 and :limit - 1 as is_whole from taken
),
marked as (
    :_fold_mark
)
select
    count(*) as deltas,
    (select count(*) from published) as published,
    array(
        select queue from folded
        -- In a form that is hashed: as a join it compared all with all, since the planner expects few.
        where ready > 0 and (queue in (select queue from taken where waiting > 0 or prioritized > 0)) is true
    ) as queues
from taken
