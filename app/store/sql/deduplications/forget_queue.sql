-- Forgets up to :limit deduplication ids of :queue, with what is stored to follow. Waits for row locks. Index:
-- deduplications_pkey.
delete from rowline.deduplications as held
where held.queue = :queue and held.dedup_id = any(array(
    select old.dedup_id from rowline.deduplications as old where old.queue = :queue order by old.dedup_id limit :limit
))
returning held.dedup_id
