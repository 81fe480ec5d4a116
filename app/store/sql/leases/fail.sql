-- fail: active -> failed
-- Ends these attempts badly, and the jobs with them; a lease that is lost is not in the answer.
update rowline.jobs as job
set status = 'failed',
    attempts_made = attempts_made + 1,
    failed_reason = failure.reason,
    stacktrace = (array_remove(stacktrace || failure.stack, null))[greatest(1, cardinality(stacktrace) + 2 - :stacks_kept):],
    finished_at = statement_timestamp(),
    lease_token = null,
    leased_until = null
from unnest(:numbers::bigint[], :tokens::uuid[], :reasons::text[], :stacks::text[])
    as failure (number, token, reason, stack)
where job.queue = :queue and job.number = any(:numbers) and job.number = failure.number
    and job.status || '' = 'active'
    and job.lease_token = failure.token and job.leased_until > statement_timestamp()
returning job.number
