-- Returns the queues and final statuses with jobs that say themselves how long they are kept; how many jobs are there, as
-- far as counts are folded; and the count, over 0, that the newest of the last :limit such jobs says; null: none does.
-- Indexes: jobs_kept, a probe for each queue and status; job_counts_pkey.
with recursive found as (
    (
        select job.queue, job.status from rowline.jobs as job
        where (
                :_own_kept
            )::text <> 'false'
        order by job.queue, job.status
        limit 1
    )
    union all
    select next.queue, next.status
    from found
    cross join lateral (
        select job.queue, job.status from rowline.jobs as job
        where (
                :_own_kept
            )::text <> 'false'
            and (job.queue, job.status) > (found.queue, found.status)
        order by job.queue, job.status
        limit 1
    ) as next
)
select
    found.queue, found.status,
    case found.status when 'completed' then counts.completed else counts.failed end as jobs,
    (
        select newest.wanted
        from (
            select
                job.number,
                nullif(((
                    :_own_kept
                ) ->> 'count')::bigint, 0) as wanted
            from rowline.jobs as job
            where job.queue = found.queue and job.status = found.status
                and (
                    :_own_kept
                )::text <> 'false'
            order by job.number desc
            limit :limit
        ) as newest
        where newest.wanted is not null
        order by newest.number desc
        limit 1
    ) as wanted
from found
left join rowline.job_counts as counts on counts.queue = found.queue
