-- What the deltas of the CTE `taken` say of each queue: how they change its counts, and what happened to its jobs.
-- The sum of a delta is positive if jobs were added, and negative if they were removed. No statement does both, or ends
-- some jobs and makes others that had ended ready again. Active jobs that go at once (`complete_and_remove`) completed.
select
    queue,
    sum(waiting) as waiting, sum(prioritized) as prioritized, sum(delayed) as delayed, sum(active) as active,
    sum(waiting_children) as waiting_children, sum(completed) as completed, sum(failed) as failed,
    sum(greatest(waiting + prioritized + delayed + active + waiting_children + completed + failed, 0)) as newly_added,
    sum(case
        when waiting + prioritized + delayed + active + waiting_children + completed + failed < 0
            then greatest(- active, 0)
        else greatest(completed, 0)
    end) as newly_completed,
    sum(greatest(failed, 0)) as newly_failed
from taken
group by queue
