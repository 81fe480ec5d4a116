-- Leases the jobs that `scanned` has locked, from the time of the lock.
update rowline.jobs as job
set status = 'active',
    lease_token = encode(substr(sha256(int8send(job.number) || (select seed from scanned)), 1, 16), 'hex')::uuid,
    leased_until = (
        (select at at time zone 'UTC' from scanned)
        + least(:lease_ms, job.timeout_ms + :grace_ms) * interval '1 millisecond'
    ) at time zone 'UTC',
    attempts_started = attempts_started + 1,
    processed_at = (select at from scanned),
    processed_by = :worker
where job.queue = :queue and job.number = any((select numbers from scanned)::bigint[])
    and job.status || '' in ('waiting', 'prioritized')
