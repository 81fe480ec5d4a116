-- Returns up to :limit deduplication ids for which a job is stored and whose holder has ended, or was removed or let go, after
-- one id. Indexes: deduplications_stored, jobs_pkey.
select held.queue, held.dedup_id
from rowline.deduplications as held
where held.stored is not null and (held.queue, held.dedup_id) > (:after_queue, :after_id)
    and (
        select job.number from rowline.jobs as job
        where job.queue = held.queue and job.number = held.number and job.finished_at is null
    ) is null
order by held.queue, held.dedup_id
limit :limit
