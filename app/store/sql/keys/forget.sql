-- Removes up to :limit answers older than :keep_ms, the oldest first. Index: idempotency_keys_answered.
-- By their place on disk, which nobody can change meanwhile: the rows are locked.
with old as (
    select ctid from rowline.idempotency_keys
    where answered_at <= statement_timestamp() - :keep_ms * interval '1 millisecond'
    order by answered_at
    limit :limit
    for update skip locked
)
delete from rowline.idempotency_keys where ctid = any(array(select ctid from old)) returning key
