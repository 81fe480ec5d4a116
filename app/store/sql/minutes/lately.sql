-- Returns how many jobs of each of :queues were added, and how many completed or failed, in each minute from :from_at on.
-- Minutes in which nothing happened have no row. Index: job_minutes_pkey, a probe for each minute and queue.
select queue, minute, added, completed + failed as ended
from rowline.job_minutes
where queue = any(:queues::text[]) and minute = any(array(
    select at from generate_series(:from_at::timestamptz, statement_timestamp(), interval '1 minute') as past (at)
))
