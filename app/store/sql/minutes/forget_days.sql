-- Deletes up to :limit rows of days that began more than :keep_days ago, the oldest first. Index: job_days_pkey.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
with old as (
    select ctid from rowline.job_days
    where day < statement_timestamp() - :keep_days * interval '1 day'
    order by day, queue
    limit :limit
    for update skip locked
)
delete from rowline.job_days where ctid = any(array(select ctid from old)) returning queue
