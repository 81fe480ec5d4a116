-- claim: waiting, prioritized -> active
-- Does what `claim` does where jobs are long: takes no more, but for the first, when the texts of those that it has are
-- :most bytes, and says whether that ended it. Index: jobs_ready.
-- Looks from the place (:from_priority, :from_place) on: the head, or past what is dead there (`app/domain/scan.py`).
-- Each row says how long that took. Without a job there is one row, that says this alone.
-- Locks the rows it takes, a few more where bytes ended it, and skips those that others are taking.
with next as (
    -- What counts the rows over the bound lets PostgreSQL stop there: the rows behind are not even locked. The windows
    -- take them as they come, in order: told to sort by it, it would have to see, and to lock, all of them before.
    select number, over from (
        select number, count(*) filter (where total > :most and total > bytes) over line as over from (
            select number, bytes, sum(bytes) over line as total from (
                :_locked
            ) as locked
            window line as (rows unbounded preceding)
        ) as summed
        window line as (rows unbounded preceding)
    ) as counted
    where over < 2
),
walked as materialized (
    -- Of a row that has changed since the statement began the lock is of now: so is the attempt's beginning.
    select
        array_agg(number) filter (where over = 0) as numbers,
        count(*) filter (where over > 0) > 0 as is_cut,
        clock_timestamp() as at
    from next
),
:_claimed_whole
