-- Removes what the jobs of `changed` leave behind: their attempts and their logs.
attempts as (
    delete from rowline.attempts as attempt
    where attempt.queue = :queue and attempt.number = any(array(select number from changed))
),
logs as (
    delete from rowline.logs as line
    where line.queue = :queue and line.number = any(array(select number from changed))
)
