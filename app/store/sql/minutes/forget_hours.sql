-- Deletes up to :limit rows of hours that began more than :keep_days ago, the oldest first. Index: job_hours_pkey.
-- By ctid, which cannot change meanwhile, because the rows are locked. Skips locked rows.
with old as (
    select ctid from rowline.job_hours
    where hour < statement_timestamp() - :keep_days * interval '1 day'
    order by hour, queue
    limit :limit
    for update skip locked
)
delete from rowline.job_hours where ctid = any(array(select ctid from old)) returning queue
