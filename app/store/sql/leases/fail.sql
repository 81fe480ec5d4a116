-- fail: active -> failed
-- Fails these attempts and their jobs; a lost lease is not in the result. :include_expired: also leases that have run
-- out, of attempts that exceeded their timeouts; the caller has locked their rows and read their tokens.
with changed as (
    update rowline.jobs as job
    set status = 'failed',
        finished_at = statement_timestamp(),
        :_failure
),
:_settled
