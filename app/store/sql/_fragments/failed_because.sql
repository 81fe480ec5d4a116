-- How a failed attempt ended, and why.
case
    when job.cancel_requested_at is not null then 'cancelled'
    when (:are_timeouts::boolean[])[width_bucket(job.number, :numbers::bigint[])] then 'timed-out'
    else 'failed'
end as outcome,
job.failed_reason as reason
