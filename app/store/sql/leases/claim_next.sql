-- claim: waiting, prioritized -> active
-- Does what `claim` does, and returns less of each job: what its handler needs. Indexes: jobs_ready, jobs_delayed.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/scan.py`).
-- Each row says how long that took, and in how many ms the next delayed job is due. When one is due already nothing is
-- claimed: it has to join the line first. Without a job there is one row, that says this alone.
with due as (
    :_due
),
next as (
    select number
    :_ready
        and not exists (select from due where ms = 0)
    order by priority, place
    limit :limit
    for update skip locked
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select array_agg(number) as numbers, clock_timestamp() as at from next
),
moved as (
    :_lease
    returning
        case when job.priority > 0 then 'prioritized' else 'waiting' end as was,
        status, number, lease_token, custom_id, name, data, opts, priority, attempts_made, added_at, timeout_ms,
        stalled_count, place
),
counted as (
    :_counted
)
select
    due.ms as next_due_ms, extract(epoch from walked.at - statement_timestamp())::float8 as took_s, place,
    number, lease_token::text, custom_id, name, data, opts, priority, attempts_made + 1,
    floor(date_part('epoch', added_at) * 1000)::bigint, timeout_ms, stalled_count
from walked
left join due on true
left join moved on true
order by priority, place
