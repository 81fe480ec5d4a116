-- Deletes up to :limit rows of minutes that began more than :keep_minutes ago, the oldest first. Index: job_minutes_pkey.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
with old as (
    select ctid from rowline.job_minutes
    where minute < statement_timestamp() - :keep_minutes * interval '1 minute'
    order by minute, queue
    limit :limit
    for update skip locked
)
delete from rowline.job_minutes where ctid = any(array(select ctid from old)) returning queue
