-- What a statement says of the jobs that it removes, and what goes with them: their attempts, their logs, their counts.
returning job.number, job.status as was, null::text as status
),
attempts as (
    delete from rowline.attempts as attempt
    where attempt.queue = :queue and attempt.number = any(array(select number from changed))
),
logs as (
    delete from rowline.logs as line
    where line.queue = :queue and line.number = any(array(select number from changed))
),
counted as (
    :_counted
)
