-- sweep: completed, failed -> (nowhere)
-- Removes finished jobs of :queue in :status as they say themselves: of the next :limit such jobs after the number :after
-- those that are older than they say, those that are not kept at all, and those with a count up to the number :edge that
-- ended more than :spared_s seconds ago. Returns what `sweep` does. Waits for row locks.
-- Indexes: jobs_kept, jobs_pkey, attempts_pkey, logs_pkey.
with walked as materialized (
    select
        job.number,
        coalesce(job.finished_at < statement_timestamp() - (kept.own ->> 'age')::bigint * interval '1 second', false)
        or coalesce((kept.own ->> 'count')::bigint = 0, false)
        or coalesce(
            kept.own ->> 'count' is not null and job.number <= :edge::bigint
            and job.finished_at < statement_timestamp() - :spared_s::bigint * interval '1 second',
            false
        ) as is_over
    from rowline.jobs as job
    cross join lateral (
        select
            :_own_kept
            as own
    ) as kept
    where job.queue = :queue and job.status = :status and job.number > :after
        and (
            :_own_kept
        )::text <> 'false'
    order by job.number
    limit :limit
),
:_swept
