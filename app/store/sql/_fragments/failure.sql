-- What a failed attempt leaves in its job.
attempts_made = attempts_made + 1,
failed_reason = (:reasons::text[])[width_bucket(job.number, :numbers::bigint[])],
stacktrace = (array_remove(stacktrace || (:stacks::text[])[width_bucket(job.number, :numbers::bigint[])], null))
    [greatest(1, cardinality(stacktrace) + 2 - coalesce(job.stacks_kept, :stacks_kept)):],
leased_until = null
