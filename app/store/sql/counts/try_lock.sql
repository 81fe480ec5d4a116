-- Takes the advisory lock of folds until the transaction ends; false if another process holds it. Waits for no lock.
select pg_try_advisory_xact_lock(hashtextextended('rowline folds', 0)) as is_mine
