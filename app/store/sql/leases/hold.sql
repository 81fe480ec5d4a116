-- Locks these jobs while their leases hold, in the order of their numbers, and reads what decides
-- over a retry; a lost lease is left out. The numbers: as in complete.
select job.number, job.attempts, job.attempts_made, job.backoff_type, job.backoff_delay_ms, job.backoff_jitter,
    job.cancel_requested_at
from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[]) and job.status || '' = 'active'
    and job.lease_token = (:tokens::uuid[])[width_bucket(job.number, :numbers::bigint[])]
    and job.leased_until > statement_timestamp()
order by job.number
for update of job
