-- Takes the advisory lock of promotions of :queue until the transaction ends; false if it is held. Waits for no lock.
select pg_try_advisory_xact_lock(hashtextextended('rowline promotes ' || :queue, 0)) as is_mine
