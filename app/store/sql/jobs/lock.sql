-- Locks the jobs of :numbers in :queue, in their order; returns what the verbs of jobs decide by, and what the audit says of
-- one. Waits for row locks. Index: jobs_pkey.
select job.number, job.status, job.lease_token, job.attempts_made, job.name, job.priority, job.lifo, job.delay_ms,
    job.attempts, job.tags, job.opts, job.effective, coalesce(job.remove_on_fail ->> 'count' = '0', false) as goes
from rowline.jobs as job
where job.queue = :queue and job.number = any(:numbers::bigint[])
order by job.number
for update
