-- sweep: completed, failed -> (nowhere)
-- Removes finished jobs of :queue in :status that say nothing themselves, with their attempts and logs: of the next
-- :limit jobs after the number :after those that ended more than :age_s seconds ago, and those up to the number :edge
-- that ended more than :spared_s ago; null: no such limit. Returns how many were looked at, the last number, and how many
-- were removed. Waits for row locks. The bounds are rows, as in `jobs/search`.
-- Indexes: jobs_listed, jobs_pkey, attempts_pkey, logs_pkey.
with walked as materialized (
    select
        job.number,
        (
            :_own_kept
        ) is null
        and (
            coalesce(job.finished_at < statement_timestamp() - :age_s::bigint * interval '1 second', false)
            or coalesce(
                job.number <= :edge::bigint
                and job.finished_at < statement_timestamp() - :spared_s::bigint * interval '1 second',
                false
            )
        ) as is_over
    from rowline.jobs as job
    where (job.queue, job.status, job.number) > (:queue, :status, :after) and (job.queue, job.status) <= (:queue, :status)
        and job.status <> 'active'
    order by job.queue, job.status, job.number
    limit :limit
),
:_swept
