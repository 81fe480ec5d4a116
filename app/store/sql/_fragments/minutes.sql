-- Adds what happened to the jobs of each queue (the CTE `summed`) to the minute in which this statement began.
insert into rowline.job_minutes as existing (minute, queue, added, completed, failed)
select date_trunc('minute', statement_timestamp()), queue, newly_added, newly_completed, newly_failed
from summed
where newly_added > 0 or newly_completed > 0 or newly_failed > 0
on conflict (minute, queue) do update
set
    added = existing.added + excluded.added,
    completed = existing.completed + excluded.completed,
    failed = existing.failed + excluded.failed
