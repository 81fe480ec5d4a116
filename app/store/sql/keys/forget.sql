-- Deletes up to :limit responses older than :keep_ms, the oldest first. Index: idempotency_keys_answered.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
with old as (
    select ctid from rowline.idempotency_keys
    where answered_at <= statement_timestamp() - :keep_ms * interval '1 millisecond'
    order by answered_at
    limit :limit
    for update skip locked
)
delete from rowline.idempotency_keys where ctid = any(array(select ctid from old)) returning key
