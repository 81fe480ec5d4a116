-- Takes the advisory lock of folds until the transaction ends; waits for a fold that runs.
select pg_advisory_xact_lock(hashtextextended('rowline folds', 0))
