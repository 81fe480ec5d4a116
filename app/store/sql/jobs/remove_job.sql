-- remove_job: waiting, prioritized, delayed, completed, failed -> (nowhere)
-- Deletes a job that is not active, with its attempts and its log. The caller has locked its row.
with changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = :number
        and job.status || '' in ('waiting', 'prioritized', 'delayed', 'completed', 'failed')
    returning job.number, job.status as was, null::text as status
),
forgotten as (
    delete from rowline.attempts
    where queue = :queue and number = (select number from changed)
),
unlogged as (
    delete from rowline.logs
    where queue = :queue and number = (select number from changed)
),
counted as (
    :_counted
)
select number from changed
