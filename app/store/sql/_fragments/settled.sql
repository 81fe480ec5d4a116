-- Stores the attempts that `changed` ended and the changes to the counts; returns the statuses of the jobs, and which go.
kept as (
    insert into rowline.attempts (queue, number, nth, worker, started_at, ended_at, outcome, reason)
    select queue, number, attempts_started, processed_by, processed_at, statement_timestamp(), outcome, reason
    from changed
),
counted as (
    :_counted
)
select number, status, goes from changed
