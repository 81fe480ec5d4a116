-- retry_later: active -> delayed, waiting, prioritized
-- Ends these attempts badly; the jobs join the line again after their wait, as the latest comers of their kind then.
update rowline.jobs as job
set status = case
        when failure.delay_ms > 0 then 'delayed'
        when job.priority > 0 then 'prioritized'
        else 'waiting'
    end,
    attempts_made = attempts_made + 1,
    failed_reason = failure.reason,
    stacktrace = (array_remove(stacktrace || failure.stack, null))[greatest(1, cardinality(stacktrace) + 2 - :stacks_kept):],
    delay_ms = failure.delay_ms,
    run_at = statement_timestamp() + failure.delay_ms * interval '1 millisecond',
    place = case when job.lifo then -1 else 1 end * (
        (extract(epoch from statement_timestamp()) * 1000000)::bigint + failure.delay_ms * 1000 + failure.nth - 1
    ),
    lease_token = null,
    leased_until = null
from unnest(:numbers::bigint[], :tokens::uuid[], :reasons::text[], :stacks::text[], :delays_ms::bigint[])
    with ordinality as failure (number, token, reason, stack, delay_ms, nth)
where job.queue = :queue and job.number = any(:numbers) and job.number = failure.number
    and job.status || '' = 'active'
    and job.lease_token = failure.token and job.leased_until > statement_timestamp()
returning job.number
