-- Takes the right to fold until the transaction ends; false if another process has it. Waits for nobody.
select pg_try_advisory_xact_lock(hashtextextended('rowline folds', 0)) as is_mine
