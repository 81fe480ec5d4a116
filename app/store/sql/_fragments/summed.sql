-- What the deltas of the CTE `taken` say of each queue: how they change its counts, and what happened to its jobs.
-- The sum of a delta is positive if jobs were added, and negative if they were removed. No statement does both, or ends
-- some jobs and makes others that had ended ready again. What does one after the other has a delta for each
-- (`leases/complete_and_remove`).
select
    queue,
    sum(waiting) as waiting, sum(prioritized) as prioritized, sum(delayed) as delayed, sum(active) as active,
    sum(waiting_children) as waiting_children, sum(completed) as completed, sum(failed) as failed,
    sum(greatest(waiting + prioritized + delayed + active + waiting_children + completed + failed, 0)) as newly_added,
    sum(greatest(completed, 0)) as newly_completed,
    sum(greatest(failed, 0)) as newly_failed
from taken
group by queue
