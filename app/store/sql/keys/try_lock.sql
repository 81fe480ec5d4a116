-- Takes the advisory lock of a key until the transaction ends; false if it is held. Waits for no lock.
select pg_try_advisory_xact_lock(
    hashtextextended('rowline key ' || encode(:token_digest::bytea, 'hex') || ' ' || :key || ' ' || :queue, 0)
) as held
