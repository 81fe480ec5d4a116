-- sweep: completed, failed -> (nowhere)
-- Removes finished jobs of :queue in :status, with their attempts and logs: of the next :limit jobs after the number
-- :after those that ended more than :age_s seconds ago, and those up to the number :edge that ended more than :spared_s
-- ago; null: no such limit. Returns how many were looked at, the last number, and how many were removed.
-- Waits for row locks. Indexes: jobs_listed, jobs_pkey, attempts_pkey, logs_pkey.
with walked as materialized (
    select
        job.number,
        coalesce(job.finished_at < statement_timestamp() - :age_s::bigint * interval '1 second', false)
        or coalesce(
            job.number <= :edge::bigint
            and job.finished_at < statement_timestamp() - :spared_s::bigint * interval '1 second',
            false
        ) as is_over
    from rowline.jobs as job
    where job.queue = :queue and job.status = :status and job.status <> 'active' and job.number > :after
    order by job.number
    limit :limit
),
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
