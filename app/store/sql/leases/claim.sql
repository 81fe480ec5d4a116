-- claim: waiting, prioritized -> active
-- Leases up to :limit ready jobs of :queue to :worker for :lease_ms, in queue order. Index: jobs_next.
-- Scans from (:from_priority, :from_place): the head of the queue, or past dead entries (`app/domain/scan.py`).
-- Each row says how long the scan took; if there is no job, one row says only this.
-- Leases all of them, or none if their texts together are longer than :max_bytes bytes, and says so: use `claim_large` then.
-- Locks the rows it leases and skips locked rows.
with locked as (
    :_locked
),
scanned as materialized (
    -- A row that changed after the statement began was locked later than that: the attempt begins at the lock.
    select
        case when sum(bytes) <= :max_bytes::bigint then array_agg(number) end as numbers,
        coalesce(sum(bytes) > :max_bytes::bigint, false) as is_truncated,
        clock_timestamp() as at,
        uuid_send(gen_random_uuid()) as seed
    from locked
),
:_claimed_whole
