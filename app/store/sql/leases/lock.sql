-- Locks these jobs if their leases are held, in the order of their numbers, and returns what the decision to retry
-- depends on; a lost lease is left out.
select job.number, job.attempts, job.attempts_made, job.backoff_type, job.backoff_delay_ms, job.backoff_jitter,
    job.cancel_requested_at
from rowline.jobs as job
:_attempts
    and job.leased_until > statement_timestamp()
order by job.number
for update of job
