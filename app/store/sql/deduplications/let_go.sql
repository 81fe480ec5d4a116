-- Lets go of the deduplication id :dedup_id of :queue if the job :number holds it: nobody does then. A job that is stored to
-- follow follows now.
-- Index: deduplications_pkey.
update rowline.deduplications as held
set number = null, job_id = null, expires_at = null
where held.queue = :queue and held.dedup_id = :dedup_id and held.number = :number
returning held.dedup_id
