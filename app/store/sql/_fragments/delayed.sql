-- The first delayed job of each queue that has any. Index: jobs_delayed, one probe per queue.
(select queue, run_at from rowline.jobs where status = 'delayed' order by queue, run_at limit 1)
union all
select next.queue, next.run_at
from delayed
cross join lateral (
    select queue, run_at from rowline.jobs
    where status = 'delayed' and queue > delayed.queue
    order by queue, run_at
    limit 1
) as next
