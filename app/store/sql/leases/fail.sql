-- fail: active -> failed
-- Fails these attempts and their jobs; a lost lease is not in the result. :include_expired: also leases that have run
-- out, of attempts that exceeded their timeouts; the caller has locked their rows and read their tokens.
with changed as (
    update rowline.jobs as job
    set status = 'failed',
        finished_at = statement_timestamp(),
        failed_code = case
            when job.cancel_requested_at is not null then 'cancelled'
            when (:are_timeouts::boolean[])[width_bucket(job.number, :numbers::bigint[])] then 'timed_out'
            else 'failed'
        end,
        fingerprint = (:fingerprints::text[])[width_bucket(job.number, :numbers::bigint[])],
        :_failure
),
:_settled
