-- Locks jobs of :queue in :status: of the next :limit jobs after the number :after, up to the number :until, those that
-- ended, or were added if they have not ended, at least :grace_ms ago; null: all. At most :most of them, the first. Returns
-- how many were looked at, the last number, and the numbers of those locked. Waits for row locks.
-- Indexes: jobs_listed, jobs_pkey.
with walked as materialized (
    select
        job.number,
        coalesce(
            coalesce(job.finished_at, job.added_at)
            <= statement_timestamp() - :grace_ms::bigint * interval '1 millisecond',
            true
        ) as is_meant
    from rowline.jobs as job
    where job.queue = :queue and job.status = :status and job.status <> 'active'
        and job.number > :after and job.number <= :until
    order by job.number
    limit :limit
),
locked as (
    select job.number from rowline.jobs as job
    where job.queue = :queue
        and job.number = any(array(select number from walked where is_meant order by number limit :most))
        and job.status || '' = :status
        -- Again, for one that has ended again meanwhile.
        and coalesce(
            coalesce(job.finished_at, job.added_at)
            <= statement_timestamp() - :grace_ms::bigint * interval '1 millisecond',
            true
        )
    order by job.number
    for update
)
select count(*) as looked_at, max(number) as last, array(select number from locked) as numbers from walked
