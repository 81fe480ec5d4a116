-- Takes the right to use a key until the transaction ends; false if another transaction has it. Waits for nobody.
select pg_try_advisory_xact_lock(
    hashtextextended('rowline key ' || encode(:token_digest::bytea, 'hex') || ' ' || :key || ' ' || :queue, 0)
) as held
