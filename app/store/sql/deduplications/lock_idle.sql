-- Locks those of the deduplication ids of :dedup_ids in :queue whose window is over and for which nothing is stored; returns
-- them. Skips locked rows. Index: deduplications_pkey.
select held.dedup_id
from rowline.deduplications as held
where held.queue = :queue and held.dedup_id = any(:dedup_ids::text[])
    and held.stored is null and coalesce(held.expires_at <= statement_timestamp(), true)
for update skip locked
