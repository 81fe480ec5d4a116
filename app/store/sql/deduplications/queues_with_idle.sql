-- Returns the next :limit deduplication ids, of all queues, after one, and whether each may be forgotten if its job is gone: its
-- window is over, and nothing is stored. Index: deduplications_pkey.
select
    held.queue, held.dedup_id,
    held.stored is null and coalesce(held.expires_at <= statement_timestamp(), true) as is_idle
from rowline.deduplications as held
where (held.queue, held.dedup_id) > (:after_queue, :after_id)
order by held.queue, held.dedup_id
limit :limit
