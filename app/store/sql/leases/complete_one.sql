-- complete: active -> completed
-- Completes one attempt as leases/complete does, with a tenth fewer instructions: no arrays, no aggregates.
with changed as (
    update rowline.jobs as job
    set status = 'completed',
        result = :result::json,
        attempts_made = attempts_made + 1,
        finished_at = statement_timestamp(),
        leased_until = null
    where job.queue = :queue and job.number = :number::bigint and job.status || '' = 'active'
        and job.lease_token = :token::uuid and job.leased_until > statement_timestamp()
    returning job.number, 'active' as was, job.status, job.attempts_started, job.processed_at
),
counted as (
    :_counted_one
)
select number from changed
