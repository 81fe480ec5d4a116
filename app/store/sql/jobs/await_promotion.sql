-- Waits for whoever promotes jobs of :queue at this moment, and keeps others from it until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('rowline promotes ' || :queue, 0))
