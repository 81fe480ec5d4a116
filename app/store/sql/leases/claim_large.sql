-- claim: waiting, prioritized -> active
-- Does what `claim` does where jobs are long: leases the first job, and more while their texts together have at most
-- :max_bytes bytes; says whether that limit was reached. Index: jobs_next.
-- Scans from (:from_priority, :from_place): the head of the queue, or past dead entries (`app/domain/scan.py`).
-- Each row says how long the scan took; if there is no job, one row says only this.
-- Locks the rows it leases, and a few more if the limit was reached; skips locked rows.
with locked as (
    -- Counting the rows over the limit lets PostgreSQL stop there: it does not even lock the rows after them. The
    -- windows read the rows in the order they arrive in: with ORDER BY, all rows would be read and locked first.
    select number, over from (
        select number, count(*) filter (where total > :max_bytes and total > bytes) over line as over from (
            select number, bytes, sum(bytes) over line as total from (
                :_locked
            ) as candidates
            window line as (rows unbounded preceding)
        ) as summed
        window line as (rows unbounded preceding)
    ) as counted
    where over < 2
),
scanned as materialized (
    -- A row that changed after the statement began was locked later than that: the attempt begins at the lock.
    select
        array_agg(number) filter (where over = 0) as numbers,
        count(*) filter (where over > 0) > 0 as is_truncated,
        clock_timestamp() as at,
        uuid_send(gen_random_uuid()) as seed
    from locked
),
:_claimed_whole
