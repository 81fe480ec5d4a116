-- What a lease changes in a job, but for its token: it begins at the time of the lock, which `scanned` has.
status = 'active',
leased_until = (
    (select at at time zone 'UTC' from scanned)
    + least(:lease_ms, job.timeout_ms + :grace_ms) * interval '1 millisecond'
) at time zone 'UTC',
attempts_started = attempts_started + 1,
processed_at = (select at from scanned),
processed_by = :worker
