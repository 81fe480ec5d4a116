-- Locks the deduplication id :dedup_id of :queue; returns the number of its holder, and the job that is stored to follow.
-- Skips a locked row. Index: deduplications_pkey.
select held.number, held.stored
from rowline.deduplications as held
where held.queue = :queue and held.dedup_id = :dedup_id
for update skip locked
