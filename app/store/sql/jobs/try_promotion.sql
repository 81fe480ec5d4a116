-- Keeps others from promoting jobs of :queue until the transaction ends; false if somebody does. Waits for nobody.
select pg_try_advisory_xact_lock(hashtextextended('rowline promotes ' || :queue, 0)) as is_mine
