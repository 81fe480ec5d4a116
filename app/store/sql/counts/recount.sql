-- Counts all jobs, folds all deltas of this snapshot and returns the queues whose counts were wrong.
-- Adds what the deltas tell of jobs to the current minute of their queues, and to the totals; publishes their events. Rows
-- of queues without jobs stay, because of the totals.
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
        :_delta
),
summed as (
    :_summed
),
minutes as (
    :_minutes
),
emptied as (
    update rowline.job_counts
    set waiting = 0, prioritized = 0, delayed = 0, active = 0, waiting_children = 0, completed = 0, failed = 0
    where queue not in (select queue from counted) and queue not in (select queue from summed)
),
written as (
    insert into rowline.job_counts as existing (
        :_count_columns
    )
    select
        queue, coalesce(counted.waiting, 0), coalesce(counted.prioritized, 0), coalesce(counted.delayed, 0),
        coalesce(counted.active, 0), coalesce(counted.waiting_children, 0), coalesce(counted.completed, 0),
        coalesce(counted.failed, 0), coalesce(newly_added, 0), coalesce(newly_claimed, 0),
        coalesce(newly_completed, 0), coalesce(newly_failed, 0), coalesce(newly_removed, 0),
        coalesce(newly_attempts_failed, 0), coalesce(newly_retried, 0), coalesce(newly_released, 0),
        coalesce(newly_stalled, 0),
        waits, coalesce(wait_s, 0), runs, coalesce(run_s, 0),
        case when newly_added is not null then statement_timestamp() end
    from counted
    full join summed using (queue)
    on conflict (queue) do update
    set
        :_now_standing
        ,
        :_totals
),
drained as (
    select queue from counted where false
),
:_published
,
:_packed
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
