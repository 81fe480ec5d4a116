-- Returns who holds the deduplication ids of :dedup_ids in :queue, or held them last: the job, its status while it lives, the
-- end of its window, whether that is to come, and whether a job is stored to follow it. Locks nothing. Indexes:
-- deduplications_pkey, jobs_pkey.
select
    held.dedup_id, held.number, held.job_id, held.expires_at,
    coalesce(held.expires_at > statement_timestamp(), false) as is_open,
    held.stored is not null as has_stored,
    (
        select job.status from rowline.jobs as job
        where job.queue = :queue and job.number = held.number and job.finished_at is null
    ) as status
from rowline.deduplications as held
where held.queue = :queue and held.dedup_id = any(:dedup_ids::text[])
