-- promote: delayed -> waiting, prioritized
-- Makes up to :limit due jobs of :queue ready, the longest due first. Index: jobs_delayed. Skips locked rows.
-- The place was computed from the due time when the delay was set, so it does not depend on when the job is promoted.
with due as (
    select number from rowline.jobs
    where queue = :queue and status = 'delayed' and run_at <= statement_timestamp()
    order by run_at
    limit :limit
    for update skip locked
),
changed as (
    update rowline.jobs as job
    set status = case when job.priority > 0 then 'prioritized' else 'waiting' end
    where job.queue = :queue and job.number = any(array(select number from due)) and job.status || '' = 'delayed'
    returning job.number, 'delayed' as was, job.status
),
counted as (
    :_counted
)
select number from changed
