-- Counts all jobs, folds all deltas of this snapshot and returns the queues whose counts were wrong.
-- Adds what the deltas tell of jobs to the current minute of their queues, and publishes their events.
-- The jobs and the deltas of uncommitted transactions are both invisible to it: no statement has to wait.
-- The caller holds the lock (await_lock). Reads all jobs.
with counted as (
    select
        queue,
        count(*) filter (where status = 'waiting') as waiting,
        count(*) filter (where status = 'prioritized') as prioritized,
        count(*) filter (where status = 'delayed') as delayed,
        count(*) filter (where status = 'active') as active,
        count(*) filter (where status = 'waiting-children') as waiting_children,
        count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed
    from rowline.jobs
    group by queue
),
taken as (
    delete from rowline.job_deltas
    returning
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed, is_restored, verb, at,
        numbers, worker, details
),
summed as (
    :_summed
),
minutes as (
    :_minutes
),
emptied as (
    delete from rowline.job_counts
    where queue not in (select queue from counted)
),
written as (
    insert into rowline.job_counts (
        queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    )
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed
    from counted
    on conflict (queue) do update
    set
        waiting = excluded.waiting,
        prioritized = excluded.prioritized,
        delayed = excluded.delayed,
        active = excluded.active,
        waiting_children = excluded.waiting_children,
        completed = excluded.completed,
        failed = excluded.failed
),
drained as (
    select queue from counted where false
),
:_published
,
whole as (
    select true as is_whole
),
marked as (
    :_fold_mark
)
select queue
from (
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed from rowline.job_counts
    union all
    select queue, waiting, prioritized, delayed, active, waiting_children, completed, failed from taken
    union all
    select queue, -waiting, -prioritized, -delayed, -active, -waiting_children, -completed, -failed from counted
) as difference
group by queue
having (sum(waiting), sum(prioritized), sum(delayed), sum(active), sum(waiting_children), sum(completed), sum(failed))
    <> (0, 0, 0, 0, 0, 0, 0)
