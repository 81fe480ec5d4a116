-- Removes those of `walked` that are over, with their attempts and logs, and counts them.
changed as (
    delete from rowline.jobs as job
    where job.queue = :queue and job.number = any(array(select number from walked where is_over))
        and job.status || '' = :status
        -- Not one that was retried, and ended again, meanwhile. In a form that no index serves.
        and (job.finished_at < statement_timestamp()) is true
    returning job.number, job.status as was, null::text as status
),
attempts as (
    delete from rowline.attempts as attempt
    where attempt.queue = :queue and attempt.number = any(array(select number from changed))
),
logs as (
    delete from rowline.logs as line
    where line.queue = :queue and line.number = any(array(select number from changed))
),
counted as (
    :_counted
)
select count(*) as looked_at, max(walked.number) as last, (select count(*) from changed) as removed from walked
