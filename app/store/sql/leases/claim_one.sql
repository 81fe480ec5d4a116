-- claim: waiting, prioritized -> active
-- Leases the first ready job of :queue to :worker for :lease_ms, as `claim` does, with a sixth fewer instructions: no arrays,
-- no sort, no aggregates; however long its texts are. Index: jobs_next.
-- Scans from (:from_priority, :from_place): the head of the queue, or past dead entries (`app/domain/scan.py`).
-- The row says how long the scan took; if there is no job, it says only this.
-- Locks the row it leases and skips locked rows.
with scanned as materialized (
    -- A row that changed after the statement began is looked at again once it is locked: the attempt begins there.
    select number, clock_timestamp() as at, gen_random_uuid() as token
    :_ready
    order by priority, place
    limit 1
    for update skip locked
),
changed as (
    update rowline.jobs as job
    set lease_token = case
            when job.remove_on_complete ->> 'count' = '0'
                then overlay(
                    (select token from scanned)::text
                    placing
                    :_mark
                    from 33
                )::uuid
            else (select token from scanned)
        end,
        :_leased
    where job.queue = :queue and job.number = (select number from scanned)
        and job.status || '' in ('waiting', 'prioritized')
    returning job.*, case when job.priority > 0 then 'prioritized' else 'waiting' end as was
),
counted as (
    :_counted_one
)
select
    :_job
    , lease_token, leased_until, place,
    extract(epoch from coalesce(processed_at, clock_timestamp()) - statement_timestamp())::float8 as took_s,
    false as is_truncated
from (values (1)) as always
left join changed on true
