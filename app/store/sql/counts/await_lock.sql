-- Takes the advisory lock of folds until the transaction ends; waits for a fold that runs.
-- Returns whether the events have a gap that is not told yet. Index: job_folds_pkey.
select
    pg_advisory_xact_lock(hashtextextended('rowline folds', 0)),
    (
        select has_gap or published_below is distinct from folded_below from rowline.job_folds where is_only
    ) as has_gap
