-- Forgets the stored job of the deduplication id :dedup_id of :queue: another one holds the id now, or nobody. Index:
-- deduplications_pkey.
update rowline.deduplications as held
set stored = null, number = :number, job_id = :job_id, expires_at = null
where held.queue = :queue and held.dedup_id = :dedup_id
returning held.dedup_id
