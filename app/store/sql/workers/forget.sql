-- Deletes up to :limit workers that were not seen in the last :seen_s, those of processes that ended, the oldest first.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows. Index: queue_workers_seen.
with old as (
    select ctid from rowline.queue_workers
    where seen_at < statement_timestamp() - :seen_s * interval '1 second'
    order by seen_at
    limit :limit
    for update skip locked
)
delete from rowline.queue_workers where ctid = any(array(select ctid from old)) returning queue
