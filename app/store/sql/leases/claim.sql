-- claim: waiting, prioritized -> active
-- Leases up to :limit ready jobs of :queue to :worker for :lease_ms, best first. Index: jobs_ready.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/scan.py`).
-- Each row says how long that took. Without a job there is one row, that says this alone.
-- Takes all of them or, where their texts are over :most bytes together, none, and says so: `claim_long` is for that.
-- Locks the rows it takes and skips those that others are taking.
with next as (
    :_locked
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select
        case when sum(bytes) <= :most::bigint then array_agg(number) end as numbers,
        coalesce(sum(bytes) > :most::bigint, false) as is_cut,
        clock_timestamp() as at
    from next
),
:_claimed_whole
