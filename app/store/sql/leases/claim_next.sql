-- claim: waiting, prioritized -> active
-- Does what `claim` does, and returns only what the handler needs of each job. Indexes: jobs_next, jobs_later.
-- Scans from (:from_priority, :from_place): the head of the queue, or past dead entries (`app/domain/scan.py`).
-- Each row says how long the scan took, and in how many ms the next delayed job is due. If one is due already, nothing
-- is claimed: it must be promoted first. If there is no job, one row says only this.
-- If the data of the jobs together are longer than :max_bytes bytes, nothing is claimed either, and the row says 0 ms.
with due as (
    :_due
),
locked as (
    select
        number,
        -- Data that are stored as they are need not be read for their length.
        case when pg_column_compression(data) is null then pg_column_size(data) else octet_length(data::text) end as bytes
    :_ready
        and not exists (select from due where ms = 0)
    order by priority, place
    limit :limit
    for update skip locked
),
scanned as materialized (
    -- A row that changed after the statement began was locked later than that: the attempt begins at the lock.
    select
        case when sum(bytes) <= :max_bytes::bigint then array_agg(number) end as numbers,
        case when sum(bytes) > :max_bytes::bigint then 0 end as too_long_ms,
        clock_timestamp() as at,
        uuid_send(gen_random_uuid()) as seed
    from locked
),
changed as (
    :_lease
    returning
        case when job.priority > 0 then 'prioritized' else 'waiting' end as was,
        status, number, attempts_started, lease_token, custom_id, name, data, opts, priority, attempts_made, added_at, timeout_ms,
        stalled_count, place, processed_at
),
counted as (
    :_counted
)
select
    coalesce(scanned.too_long_ms, due.ms) as next_due_ms, extract(epoch from scanned.at - statement_timestamp())::float8 as took_s, place,
    number, lease_token::text, custom_id, name, data, opts, priority, attempts_made + 1,
    floor(date_part('epoch', added_at) * 1000)::bigint, timeout_ms, stalled_count
from scanned
left join due on true
left join changed on true
order by priority, place
