-- Waits for whoever folds at this moment, and keeps others from it until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('rowline folds', 0))
