-- Takes the advisory lock of folds until the transaction ends; false if another process holds it. Waits for no lock.
-- Returns whether the events have a gap that is not told yet. Index: job_folds_pkey.
select
    pg_try_advisory_xact_lock(hashtextextended('rowline folds', 0)) as is_mine,
    (
        select has_gap or published_below is distinct from folded_below from rowline.job_folds where is_only
    ) as has_gap
