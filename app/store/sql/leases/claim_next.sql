-- claim: waiting, prioritized -> active
-- Does what `claim` does, and returns less of each job: what its handler needs. Indexes: jobs_ready, jobs_delayed.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/mark.py`).
-- Each row says how long that took, and in how many ms the next delayed job is due. When one is due already nothing is
-- claimed: it has to join the line first. Without a job there is one row, that says this alone.
with due as (
    select greatest(0, ceil(extract(epoch from run_at - statement_timestamp()) * 1000))::bigint as ms
    from rowline.jobs
    where queue = :queue and status = 'delayed'
    order by run_at
    limit 1
),
next as (
    select number from rowline.jobs
    where queue = :queue and status in ('waiting', 'prioritized')
        and (priority, place) >= (:from_priority::integer, :from_place::bigint)
        and not exists (select from due where ms = 0)
    order by priority, place
    limit :limit
    for update skip locked
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select array_agg(number) as numbers, clock_timestamp() as at from next
),
claimed as (
    update rowline.jobs as job
    set status = 'active',
        lease_token = gen_random_uuid(),
        leased_until = (select at from walked)
            + least(:lease_ms, job.timeout_ms + :grace_ms) * interval '1 millisecond',
        attempts_started = attempts_started + 1,
        processed_at = (select at from walked),
        processed_by = :worker
    where job.queue = :queue and job.number = any((select numbers from walked)::bigint[])
        and job.status || '' in ('waiting', 'prioritized')
    returning
        number, lease_token, custom_id, name, data, opts, priority, attempts_made, added_at, timeout_ms,
        stalled_count, place
),
counted as (
    insert into rowline.job_deltas (queue, waiting, prioritized, active)
    select :queue, -count(*) filter (where priority = 0), -count(*) filter (where priority > 0), count(*)
    from claimed
    having count(*) > 0
)
select
    due.ms as next_due_ms, extract(epoch from walked.at - statement_timestamp())::float8 as took_s, place,
    number, lease_token::text, custom_id, name, data, opts, priority, attempts_made + 1,
    floor(date_part('epoch', added_at) * 1000)::bigint, timeout_ms, stalled_count
from walked
left join due on true
left join claimed on true
order by priority, place
