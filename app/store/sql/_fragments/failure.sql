-- What failed attempts change in their jobs, which jobs these are, and what the statement returns of them.
attempts_made = attempts_made + 1,
failed_reason = (:reasons::text[])[width_bucket(job.number, :numbers::bigint[])],
stacktrace = (array_remove(stacktrace || (:stacks::text[])[width_bucket(job.number, :numbers::bigint[])], null))
    [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
leased_until = null
:_attempts
    and (job.leased_until > statement_timestamp() or :include_expired)
returning
    :_ended
    ,
    case
        when job.cancel_requested_at is not null then 'cancelled'
        when (:are_timeouts::boolean[])[width_bucket(job.number, :numbers::bigint[])] then 'timed-out'
        else 'failed'
    end as outcome,
    job.failed_reason as reason
