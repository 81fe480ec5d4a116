-- Writes who holds the deduplication ids of :dedup_ids in :queue now, which the transaction has locked. A window begins now if
-- its :ttls say how many ms it has, or else ends when :expiries say. What is stored to follow goes when the holder is another,
-- unless something newer is stored. Index: deduplications_pkey.
insert into rowline.deduplications as held (queue, dedup_id, number, job_id, expires_at, stored)
select
    :queue, settled.dedup_id, settled.number, settled.job_id,
    coalesce(statement_timestamp() + settled.ttl_ms * interval '1 millisecond', settled.expires_at), settled.stored::json
from unnest(
    :dedup_ids::text[], :numbers::bigint[], :job_ids::text[], :ttls::bigint[], :expiries::timestamptz[], :stored::text[]
) as settled (dedup_id, number, job_id, ttl_ms, expires_at, stored)
on conflict (queue, dedup_id) do update
set number = excluded.number, job_id = excluded.job_id, expires_at = excluded.expires_at,
    stored = case when excluded.number = held.number then coalesce(excluded.stored, held.stored) else excluded.stored end
returning dedup_id
