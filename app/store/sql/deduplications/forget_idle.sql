-- Forgets those of the deduplication ids of :dedup_ids in :queue whose job does not exist any more. The transaction has locked
-- them: this statement sees all jobs that had been added when it did. Indexes: deduplications_pkey, jobs_pkey.
delete from rowline.deduplications as held
where held.queue = :queue and held.dedup_id = any(:dedup_ids::text[])
    and (
        select job.number from rowline.jobs as job where job.queue = :queue and job.number = held.number
    ) is null
returning held.dedup_id
