-- Adds what happened to the jobs of each queue (the CTE `summed`) to the minute in which this statement began.
insert into rowline.job_minutes as existing (
    minute, queue, added, claimed, completed, failed, retried, stalled, waits, wait_s, runs, run_s
)
select
    date_trunc('minute', statement_timestamp()), queue, newly_added, newly_claimed, newly_completed, newly_failed,
    newly_retried, newly_stalled, waits, wait_s, runs, run_s
from summed
where newly_added > 0 or newly_claimed > 0 or newly_completed > 0 or newly_failed > 0 or newly_retried > 0
    or newly_stalled > 0
on conflict (minute, queue) do update
set
    :_tally
