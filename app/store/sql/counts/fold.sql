-- Adds deltas to the counts of their queues, up to :limit and those that were in flight; returns how many there were.
-- Also returns the queues in which jobs became ready, if they have ready ones: their wake-ups may have been lost.
-- Adds what they tell of jobs to the current minute of their queues.
-- The caller holds the lock (try_lock). If it folded all deltas of its snapshot, it marks the snapshot as folded.
-- Indexes: job_deltas_added_by, job_counts_pkey, job_folds_pkey, job_minutes_pkey.
with last as (
    :_last_fold
),
taken as (
    delete from rowline.job_deltas
    where ctid = any(array(
        (select ctid from rowline.job_deltas
        where added_by = any((select in_flight from last)::bigint[]) and added_by < (select folded_below from last))
        union all
        (select ctid from rowline.job_deltas
        where added_by >= (select folded_below from last)
        order by added_by
        limit :limit)
    ))
    returning queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, is_restored
),
summed as (
    :_summed
),
folded as (
    insert into rowline.job_counts as existing (
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    )
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from summed
    on conflict (queue) do update
    set
        waiting = existing.waiting + excluded.waiting,
        prioritized = existing.prioritized + excluded.prioritized,
        delayed = existing.delayed + excluded.delayed,
        active = existing.active + excluded.active,
        waiting_children = existing.waiting_children + excluded.waiting_children,
        completed = existing.completed + excluded.completed,
        failed = existing.failed + excluded.failed
    returning queue, waiting + prioritized as ready
),
minutes as (
    :_minutes
),
marked as (
    :_fold_mark
        and (select count(*) from taken) between 1 and :limit - 1
)
select
    count(*) as deltas,
    array(
        select queue from folded
        -- In a form that is hashed: as a join it compared all with all, since the planner expects few.
        where ready > 0 and (queue in (select queue from taken where waiting > 0 or prioritized > 0)) is true
    ) as queues
from taken
